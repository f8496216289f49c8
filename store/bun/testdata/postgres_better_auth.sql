CREATE TABLE "team" (
	"id" text NOT NULL,
	"slug" text,
	"parentId" text,
	"ownerEmail" text,
	"order" bigint,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("parentId") REFERENCES "team" ("id") ON DELETE CASCADE
);

CREATE TABLE "user" (
	"id" text NOT NULL,
	"email" text NOT NULL,
	"emailVerified" boolean NOT NULL,
	"role" text,
	"loginCount" bigint,
	"balance" double precision,
	"createdAt" timestamptz NOT NULL,
	"metadata" jsonb,
	"tags" jsonb,
	"homeTeamId" text,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("homeTeamId") REFERENCES "team" ("id") ON DELETE SET NULL
);

CREATE TABLE "organizationInvitationReminder" (
	"id" text NOT NULL,
	"organizationInvitationReference" text,
	PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "team_parentId_order_uidx" ON "team" ("parentId", "order");

CREATE INDEX "team_order_slug_idx" ON "team" ("order", "slug");

CREATE UNIQUE INDEX "team_slug_uidx" ON "team" ("slug");

CREATE INDEX "team_ownerEmail_idx" ON "team" ("ownerEmail");

CREATE UNIQUE INDEX "user_email_uidx" ON "user" ("email");

CREATE INDEX "user_createdAt_idx" ON "user" ("createdAt");

CREATE INDEX "user_homeTeamId_idx" ON "user" ("homeTeamId");

CREATE UNIQUE INDEX "organizationInvitationReminder_organizationInvita_d9f64151_uidx" ON "organizationInvitationReminder" ("organizationInvitationReference");

ALTER TABLE "team" ADD FOREIGN KEY ("ownerEmail") REFERENCES "user" ("email") ON DELETE RESTRICT;
