CREATE TABLE `users` (
	`id` varchar(36) NOT NULL,
	`email` varchar(255) NOT NULL,
	`email_verified` tinyint(1) NOT NULL,
	`created_at` datetime(3) NOT NULL,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `users_email_uidx` (`email`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE `sessions` (
	`id` varchar(36) NOT NULL,
	`token` varchar(255) NOT NULL,
	`expires_at` datetime(3) NOT NULL,
	`hits` bigint,
	`user_id` varchar(36) NOT NULL,
	PRIMARY KEY (`id`),
	UNIQUE INDEX `sessions_token_uidx` (`token`),
	INDEX `sessions_expires_at_idx` (`expires_at`),
	INDEX `sessions_user_id_idx` (`user_id`),
	CONSTRAINT `sessions_user_id_fkey` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
