CREATE TABLE "team" (
	"id" text NOT NULL,
	"slug" text,
	"parentId" text,
	"ownerEmail" text,
	"order" integer,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("parentId") REFERENCES "team" ("id") ON DELETE CASCADE,
	FOREIGN KEY ("ownerEmail") REFERENCES "user" ("email") ON DELETE RESTRICT
);

CREATE TABLE "user" (
	"id" text NOT NULL,
	"email" text NOT NULL,
	"emailVerified" integer NOT NULL,
	"role" text,
	"loginCount" integer,
	"balance" real,
	"createdAt" date NOT NULL,
	"metadata" text,
	"tags" text,
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
