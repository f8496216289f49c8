IF OBJECT_ID(N'[team]') IS NULL
CREATE TABLE [team] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[slug] nvarchar(255) COLLATE Latin1_General_100_BIN2,
	[parentId] nvarchar(64) COLLATE Latin1_General_100_BIN2,
	[ownerEmail] nvarchar(255) COLLATE Latin1_General_100_BIN2,
	[order] bigint,
	CONSTRAINT [team_pkey] PRIMARY KEY ([id]),
	CONSTRAINT [team_parentId_fkey] FOREIGN KEY ([parentId]) REFERENCES [team] ([id]) ON DELETE NO ACTION
);

IF OBJECT_ID(N'[user]') IS NULL
CREATE TABLE [user] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[email] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[emailVerified] bit NOT NULL,
	[role] nvarchar(max) COLLATE Latin1_General_100_BIN2,
	[loginCount] bigint,
	[balance] float,
	[createdAt] datetime2(3) NOT NULL,
	[metadata] nvarchar(max) COLLATE Latin1_General_100_BIN2,
	[tags] nvarchar(max) COLLATE Latin1_General_100_BIN2,
	[homeTeamId] nvarchar(64) COLLATE Latin1_General_100_BIN2,
	CONSTRAINT [user_pkey] PRIMARY KEY ([id]),
	CONSTRAINT [user_homeTeamId_fkey] FOREIGN KEY ([homeTeamId]) REFERENCES [team] ([id]) ON DELETE SET NULL
);

IF OBJECT_ID(N'[organizationInvitationReminder]') IS NULL
CREATE TABLE [organizationInvitationReminder] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[organizationInvitationReference] nvarchar(255) COLLATE Latin1_General_100_BIN2,
	CONSTRAINT [organizationInvitationReminder_pkey] PRIMARY KEY ([id])
);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[team]') AND name = N'team_parentId_order_uidx')
CREATE UNIQUE INDEX [team_parentId_order_uidx] ON [team] ([parentId], [order]) WHERE [parentId] IS NOT NULL AND [order] IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[team]') AND name = N'team_order_slug_idx')
CREATE INDEX [team_order_slug_idx] ON [team] ([order], [slug]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[team]') AND name = N'team_slug_uidx')
CREATE UNIQUE INDEX [team_slug_uidx] ON [team] ([slug]) WHERE [slug] IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[team]') AND name = N'team_ownerEmail_idx')
CREATE INDEX [team_ownerEmail_idx] ON [team] ([ownerEmail]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[user]') AND name = N'user_email_uidx')
CREATE UNIQUE INDEX [user_email_uidx] ON [user] ([email]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[user]') AND name = N'user_createdAt_idx')
CREATE INDEX [user_createdAt_idx] ON [user] ([createdAt]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[user]') AND name = N'user_homeTeamId_idx')
CREATE INDEX [user_homeTeamId_idx] ON [user] ([homeTeamId]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[organizationInvitationReminder]') AND name = N'organizationInvitationReminder_organizationInvita_d9f64151_uidx')
CREATE UNIQUE INDEX [organizationInvitationReminder_organizationInvita_d9f64151_uidx] ON [organizationInvitationReminder] ([organizationInvitationReference]) WHERE [organizationInvitationReference] IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[team]') AND name = N'team_ownerEmail_fkey')
ALTER TABLE [team] ADD CONSTRAINT [team_ownerEmail_fkey] FOREIGN KEY ([ownerEmail]) REFERENCES [user] ([email]) ON DELETE NO ACTION;
