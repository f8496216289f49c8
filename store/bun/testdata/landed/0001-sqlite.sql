CREATE TABLE "users" (
	"id" text NOT NULL,
	"name" text NOT NULL,
	"email" text NOT NULL,
	"email_verified" integer NOT NULL,
	"image" text,
	"created_at" date NOT NULL,
	"updated_at" date NOT NULL,
	PRIMARY KEY ("id")
);

CREATE TABLE "sessions" (
	"id" text NOT NULL,
	"expires_at" date NOT NULL,
	"token" text NOT NULL,
	"created_at" date NOT NULL,
	"updated_at" date NOT NULL,
	"ip_address" text,
	"user_agent" text,
	"user_id" text NOT NULL,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);

CREATE TABLE "accounts" (
	"id" text NOT NULL,
	"account_id" text NOT NULL,
	"provider_id" text NOT NULL,
	"user_id" text NOT NULL,
	"access_token" text,
	"refresh_token" text,
	"id_token" text,
	"access_token_expires_at" date,
	"refresh_token_expires_at" date,
	"scope" text,
	"password" text,
	"created_at" date NOT NULL,
	"updated_at" date NOT NULL,
	PRIMARY KEY ("id"),
	FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);

CREATE TABLE "verifications" (
	"id" text NOT NULL,
	"identifier" text NOT NULL,
	"value" text NOT NULL,
	"expires_at" date NOT NULL,
	"created_at" date NOT NULL,
	"updated_at" date NOT NULL,
	PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "users_email_uidx" ON "users" ("email");

CREATE INDEX "sessions_expires_at_idx" ON "sessions" ("expires_at");

CREATE UNIQUE INDEX "sessions_token_uidx" ON "sessions" ("token");

CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id");

CREATE UNIQUE INDEX "accounts_provider_id_account_id_uidx" ON "accounts" ("provider_id", "account_id");

CREATE INDEX "accounts_user_id_idx" ON "accounts" ("user_id");

CREATE INDEX "verifications_identifier_idx" ON "verifications" ("identifier");

CREATE INDEX "verifications_expires_at_idx" ON "verifications" ("expires_at");
