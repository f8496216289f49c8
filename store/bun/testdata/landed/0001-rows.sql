INSERT INTO users (id, name, email, email_verified, image, created_at, updated_at) VALUES ('u1', 'Ada', 'ada@example.com', true, NULL, '2026-05-04T12:00:00.123Z', '2026-05-04T12:00:00.123Z');

INSERT INTO users (id, name, email, email_verified, image, created_at, updated_at) VALUES ('u2', 'Grace ✨', 'grace@example.com', false, 'https://example.com/g.png', '2026-05-04T12:00:01.000Z', '2026-05-04T12:00:01.000Z');

INSERT INTO sessions (id, expires_at, token, created_at, updated_at, ip_address, user_agent, user_id) VALUES ('s1', '2036-05-04T12:00:00.000Z', 'token', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z', '127.0.0.1', 'curl', 'u1');

INSERT INTO accounts (id, account_id, provider_id, user_id, access_token, scope, password, created_at, updated_at) VALUES ('a1', 'u1', 'credential', 'u1', NULL, NULL, 'hash', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z');

INSERT INTO verifications (id, identifier, value, expires_at, created_at, updated_at) VALUES ('v1', 'reset', '{"a": "it''s"}', '2036-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z', '2026-05-04T12:00:00.000Z');
