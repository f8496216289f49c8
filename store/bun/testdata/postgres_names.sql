CREATE TABLE "app"."auth_users" (
	"id" text NOT NULL,
	"email" text NOT NULL,
	"email_verified" boolean NOT NULL,
	"created_at" timestamptz NOT NULL,
	PRIMARY KEY ("id")
);

CREATE TABLE "app"."auth_sessions" (
	"id" text NOT NULL,
	"token" text NOT NULL,
	"expires_at" timestamptz NOT NULL,
	"hits" bigint,
	"user_id" text NOT NULL,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("user_id") REFERENCES "app"."auth_users" ("id") ON DELETE CASCADE
);

CREATE UNIQUE INDEX "auth_users_email_uidx" ON "app"."auth_users" ("email");

CREATE UNIQUE INDEX "auth_sessions_token_uidx" ON "app"."auth_sessions" ("token");

CREATE INDEX "auth_sessions_expires_at_idx" ON "app"."auth_sessions" ("expires_at");

CREATE INDEX "auth_sessions_user_id_idx" ON "app"."auth_sessions" ("user_id");
