CREATE TABLE `organizationInvitationReminder` (
	`id` varchar(64) NOT NULL,
	`organizationInvitationReference` varchar(255),
	PRIMARY KEY (`id`),
	UNIQUE INDEX `organizationInvitationReminder_organizationInvita_d9f64151_uidx` (`organizationInvitationReference`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

SET foreign_key_checks = 0;

CREATE TABLE `team` (
	`id` varchar(64) NOT NULL,
	`slug` varchar(255),
	`parentId` varchar(64),
	`ownerEmail` varchar(255),
	`order` bigint,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `team_parentId_order_uidx` (`parentId`, `order`),
	INDEX `team_order_slug_idx` (`order`, `slug`),
	UNIQUE INDEX `team_slug_uidx` (`slug`),
	INDEX `team_ownerEmail_idx` (`ownerEmail`),
	CONSTRAINT `team_parentId_fkey` FOREIGN KEY (`parentId`) REFERENCES `team` (`id`) ON DELETE CASCADE,
	CONSTRAINT `team_ownerEmail_fkey` FOREIGN KEY (`ownerEmail`) REFERENCES `user` (`email`) ON DELETE RESTRICT
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

SET foreign_key_checks = 1;

CREATE TABLE `user` (
	`id` varchar(64) NOT NULL,
	`email` varchar(255) NOT NULL,
	`emailVerified` tinyint(1) NOT NULL,
	`role` longtext,
	`loginCount` bigint,
	`balance` double,
	`createdAt` datetime(3) NOT NULL,
	`metadata` json,
	`tags` json,
	`homeTeamId` varchar(64),
	PRIMARY KEY (`id`),
	UNIQUE INDEX `user_email_uidx` (`email`),
	INDEX `user_createdAt_idx` (`createdAt`),
	INDEX `user_homeTeamId_idx` (`homeTeamId`),
	CONSTRAINT `user_homeTeamId_fkey` FOREIGN KEY (`homeTeamId`) REFERENCES `team` (`id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
