CREATE TABLE "users" (
	"id" uuid NOT NULL DEFAULT gen_random_uuid(),
	"email" text NOT NULL,
	"email_verified" boolean NOT NULL,
	"created_at" timestamptz NOT NULL,
	PRIMARY KEY ("id")
);

CREATE TABLE "sessions" (
	"id" uuid NOT NULL DEFAULT gen_random_uuid(),
	"token" text NOT NULL,
	"expires_at" timestamptz NOT NULL,
	"hits" bigint,
	"user_id" uuid NOT NULL,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);

CREATE UNIQUE INDEX "users_email_uidx" ON "users" ("email");

CREATE UNIQUE INDEX "sessions_token_uidx" ON "sessions" ("token");

CREATE INDEX "sessions_expires_at_idx" ON "sessions" ("expires_at");

CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id");
