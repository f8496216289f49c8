CREATE TABLE "teams" (
	"id" text NOT NULL,
	"slug" text,
	"parent_id" text,
	"owner_email" text,
	"order" bigint,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("parent_id") REFERENCES "teams" ("id") ON DELETE CASCADE
);

CREATE TABLE "users" (
	"id" text NOT NULL,
	"email" text NOT NULL,
	"email_verified" boolean NOT NULL,
	"role" text,
	"login_count" bigint,
	"balance" double precision,
	"created_at" timestamptz NOT NULL,
	"metadata" jsonb,
	"tags" jsonb,
	"home_team_id" text,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("home_team_id") REFERENCES "teams" ("id") ON DELETE SET NULL
);

CREATE TABLE "organization_invitation_reminders" (
	"id" text NOT NULL,
	"organization_invitation_reference" text,
	PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "teams_parent_id_order_uidx" ON "teams" ("parent_id", "order");

CREATE INDEX "teams_order_slug_idx" ON "teams" ("order", "slug");

CREATE UNIQUE INDEX "teams_slug_uidx" ON "teams" ("slug");

CREATE INDEX "teams_owner_email_idx" ON "teams" ("owner_email");

CREATE UNIQUE INDEX "users_email_uidx" ON "users" ("email");

CREATE INDEX "users_created_at_idx" ON "users" ("created_at");

CREATE INDEX "users_home_team_id_idx" ON "users" ("home_team_id");

CREATE UNIQUE INDEX "organization_invitation_reminders_organization_in_73b8563e_uidx" ON "organization_invitation_reminders" ("organization_invitation_reference");

ALTER TABLE "teams" ADD FOREIGN KEY ("owner_email") REFERENCES "users" ("email") ON DELETE RESTRICT;
