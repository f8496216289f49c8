IF OBJECT_ID(N'[teams]') IS NULL
CREATE TABLE [teams] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[slug] nvarchar(255) COLLATE Latin1_General_100_BIN2,
	[parent_id] nvarchar(64) COLLATE Latin1_General_100_BIN2,
	[owner_email] nvarchar(255) COLLATE Latin1_General_100_BIN2,
	[order] bigint,
	CONSTRAINT [teams_pkey] PRIMARY KEY ([id]),
	CONSTRAINT [teams_parent_id_fkey] FOREIGN KEY ([parent_id]) REFERENCES [teams] ([id]) ON DELETE NO ACTION
);

IF OBJECT_ID(N'[users]') IS NULL
CREATE TABLE [users] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[email] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[email_verified] bit NOT NULL,
	[role] nvarchar(max) COLLATE Latin1_General_100_BIN2,
	[login_count] bigint,
	[balance] float,
	[created_at] datetime2(3) NOT NULL,
	[metadata] nvarchar(max) COLLATE Latin1_General_100_BIN2,
	[tags] nvarchar(max) COLLATE Latin1_General_100_BIN2,
	[home_team_id] nvarchar(64) COLLATE Latin1_General_100_BIN2,
	CONSTRAINT [users_pkey] PRIMARY KEY ([id]),
	CONSTRAINT [users_home_team_id_fkey] FOREIGN KEY ([home_team_id]) REFERENCES [teams] ([id]) ON DELETE SET NULL
);

IF OBJECT_ID(N'[organization_invitation_reminders]') IS NULL
CREATE TABLE [organization_invitation_reminders] (
	[id] nvarchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
	[organization_invitation_reference] nvarchar(255) COLLATE Latin1_General_100_BIN2,
	CONSTRAINT [organization_invitation_reminders_pkey] PRIMARY KEY ([id])
);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[teams]') AND name = N'teams_parent_id_order_uidx')
CREATE UNIQUE INDEX [teams_parent_id_order_uidx] ON [teams] ([parent_id], [order]) WHERE [parent_id] IS NOT NULL AND [order] IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[teams]') AND name = N'teams_order_slug_idx')
CREATE INDEX [teams_order_slug_idx] ON [teams] ([order], [slug]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[teams]') AND name = N'teams_slug_uidx')
CREATE UNIQUE INDEX [teams_slug_uidx] ON [teams] ([slug]) WHERE [slug] IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[teams]') AND name = N'teams_owner_email_idx')
CREATE INDEX [teams_owner_email_idx] ON [teams] ([owner_email]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[users]') AND name = N'users_email_uidx')
CREATE UNIQUE INDEX [users_email_uidx] ON [users] ([email]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[users]') AND name = N'users_created_at_idx')
CREATE INDEX [users_created_at_idx] ON [users] ([created_at]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[users]') AND name = N'users_home_team_id_idx')
CREATE INDEX [users_home_team_id_idx] ON [users] ([home_team_id]);

IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[organization_invitation_reminders]') AND name = N'organization_invitation_reminders_organization_in_73b8563e_uidx')
CREATE UNIQUE INDEX [organization_invitation_reminders_organization_in_73b8563e_uidx] ON [organization_invitation_reminders] ([organization_invitation_reference]) WHERE [organization_invitation_reference] IS NOT NULL;

IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[teams]') AND name = N'teams_owner_email_fkey')
ALTER TABLE [teams] ADD CONSTRAINT [teams_owner_email_fkey] FOREIGN KEY ([owner_email]) REFERENCES [users] ([email]) ON DELETE NO ACTION;
