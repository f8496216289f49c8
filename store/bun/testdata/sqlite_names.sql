CREATE TABLE "auth_users" (
	"id" text NOT NULL,
	"email" text NOT NULL,
	"email_verified" integer NOT NULL,
	"created_at" date NOT NULL,
	PRIMARY KEY ("id")
);

CREATE TABLE "auth_sessions" (
	"id" text NOT NULL,
	"token" text NOT NULL,
	"expires_at" date NOT NULL,
	"hits" integer,
	"user_id" text NOT NULL,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("user_id") REFERENCES "auth_users" ("id") ON DELETE CASCADE
);

CREATE UNIQUE INDEX "auth_users_email_uidx" ON "auth_users" ("email");

CREATE UNIQUE INDEX "auth_sessions_token_uidx" ON "auth_sessions" ("token");

CREATE INDEX "auth_sessions_expires_at_idx" ON "auth_sessions" ("expires_at");

CREATE INDEX "auth_sessions_user_id_idx" ON "auth_sessions" ("user_id");
