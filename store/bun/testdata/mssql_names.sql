IF OBJECT_ID(N'[app].[auth_users]') IS NULL
CREATE TABLE [app].[auth_users] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[email] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[email_verified] bit NOT NULL,
	[created_at] datetime2(3) NOT NULL,
	CONSTRAINT [auth_users_pkey] PRIMARY KEY ([id])
);

IF OBJECT_ID(N'[app].[auth_sessions]') IS NULL
CREATE TABLE [app].[auth_sessions] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[token] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[expires_at] datetime2(3) NOT NULL,
	[hits] bigint,
	[user_id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	CONSTRAINT [auth_sessions_pkey] PRIMARY KEY ([id]),
	CONSTRAINT [auth_sessions_user_id_fkey] FOREIGN KEY ([user_id]) REFERENCES [app].[auth_users] ([id]) ON DELETE CASCADE
);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[app].[auth_users]') AND name = N'auth_users_email_uidx')
CREATE UNIQUE INDEX [auth_users_email_uidx] ON [app].[auth_users] ([email]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[app].[auth_sessions]') AND name = N'auth_sessions_token_uidx')
CREATE UNIQUE INDEX [auth_sessions_token_uidx] ON [app].[auth_sessions] ([token]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[app].[auth_sessions]') AND name = N'auth_sessions_expires_at_idx')
CREATE INDEX [auth_sessions_expires_at_idx] ON [app].[auth_sessions] ([expires_at]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[app].[auth_sessions]') AND name = N'auth_sessions_user_id_idx')
CREATE INDEX [auth_sessions_user_id_idx] ON [app].[auth_sessions] ([user_id]);
