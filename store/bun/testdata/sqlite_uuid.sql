CREATE TABLE "users" (
	"id" text NOT NULL,
	"email" text NOT NULL,
	"email_verified" integer NOT NULL,
	"created_at" date NOT NULL,
	PRIMARY KEY ("id")
);

CREATE TABLE "sessions" (
	"id" text NOT NULL,
	"token" text NOT NULL,
	"expires_at" date NOT NULL,
	"hits" integer,
	"user_id" text NOT NULL,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);

CREATE UNIQUE INDEX "users_email_uidx" ON "users" ("email");

CREATE UNIQUE INDEX "sessions_token_uidx" ON "sessions" ("token");

CREATE INDEX "sessions_expires_at_idx" ON "sessions" ("expires_at");

CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id");
