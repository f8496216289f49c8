CREATE TABLE `organization_invitation_reminders` (
	`id` varchar(64) NOT NULL,
	`organization_invitation_reference` varchar(255),
	PRIMARY KEY (`id`),
	UNIQUE INDEX `organization_invitation_reminders_organization_in_73b8563e_uidx` (`organization_invitation_reference`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

SET foreign_key_checks = 0;

CREATE TABLE `teams` (
	`id` varchar(64) NOT NULL,
	`slug` varchar(255),
	`parent_id` varchar(64),
	`owner_email` varchar(255),
	`order` bigint,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `teams_parent_id_order_uidx` (`parent_id`, `order`),
	INDEX `teams_order_slug_idx` (`order`, `slug`),
	UNIQUE INDEX `teams_slug_uidx` (`slug`),
	INDEX `teams_owner_email_idx` (`owner_email`),
	CONSTRAINT `teams_parent_id_fkey` FOREIGN KEY (`parent_id`) REFERENCES `teams` (`id`) ON DELETE CASCADE,
	CONSTRAINT `teams_owner_email_fkey` FOREIGN KEY (`owner_email`) REFERENCES `users` (`email`) ON DELETE RESTRICT
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

SET foreign_key_checks = 1;

CREATE TABLE `users` (
	`id` varchar(64) NOT NULL,
	`email` varchar(255) NOT NULL,
	`email_verified` tinyint(1) NOT NULL,
	`role` longtext,
	`login_count` bigint,
	`balance` double,
	`created_at` datetime(3) NOT NULL,
	`metadata` json,
	`tags` json,
	`home_team_id` varchar(64),
	PRIMARY KEY (`id`),
	UNIQUE INDEX `users_email_uidx` (`email`),
	INDEX `users_created_at_idx` (`created_at`),
	INDEX `users_home_team_id_idx` (`home_team_id`),
	CONSTRAINT `users_home_team_id_fkey` FOREIGN KEY (`home_team_id`) REFERENCES `teams` (`id`) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
