IF OBJECT_ID(N'[users]') IS NULL
CREATE TABLE [users] (
	[id] bigint NOT NULL IDENTITY(1, 1),
	[email] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[email_verified] bit NOT NULL,
	[created_at] datetime2(3) NOT NULL,
	CONSTRAINT [users_pkey] PRIMARY KEY ([id])
);

IF OBJECT_ID(N'[sessions]') IS NULL
CREATE TABLE [sessions] (
	[id] bigint NOT NULL IDENTITY(1, 1),
	[token] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[expires_at] datetime2(3) NOT NULL,
	[hits] bigint,
	[user_id] bigint NOT NULL,
	CONSTRAINT [sessions_pkey] PRIMARY KEY ([id]),
	CONSTRAINT [sessions_user_id_fkey] FOREIGN KEY ([user_id]) REFERENCES [users] ([id]) ON DELETE CASCADE
);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[users]') AND name = N'users_email_uidx')
CREATE UNIQUE INDEX [users_email_uidx] ON [users] ([email]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[sessions]') AND name = N'sessions_token_uidx')
CREATE UNIQUE INDEX [sessions_token_uidx] ON [sessions] ([token]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[sessions]') AND name = N'sessions_expires_at_idx')
CREATE INDEX [sessions_expires_at_idx] ON [sessions] ([expires_at]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[sessions]') AND name = N'sessions_user_id_idx')
CREATE INDEX [sessions_user_id_idx] ON [sessions] ([user_id]);
