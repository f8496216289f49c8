CREATE TABLE "users" (
	"id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
	"email" text NOT NULL,
	"email_verified" integer NOT NULL,
	"created_at" date NOT NULL
);

CREATE TABLE "sessions" (
	"id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
	"token" text NOT NULL,
	"expires_at" date NOT NULL,
	"hits" integer,
	"user_id" integer NOT NULL,
	FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);

CREATE UNIQUE INDEX "users_email_uidx" ON "users" ("email");

CREATE UNIQUE INDEX "sessions_token_uidx" ON "sessions" ("token");

CREATE INDEX "sessions_expires_at_idx" ON "sessions" ("expires_at");

CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id");
