package core

import "github.com/ostiary/ostiary/store"

// The logical names of the core tables.
const (
	TableUser         = "user"
	TableSession      = "session"
	TableAccount      = "account"
	TableVerification = "verification"
)

// coreTables describes what the engine itself stores. Frozen: what is here may
// grow, never change.
func coreTables() []store.Table {
	return []store.Table{
		{Name: TableUser, Fields: []*store.Field{
			{Name: "name", Type: store.String, Required: true, Returned: true},
			{Name: "email", Type: store.String, Required: true, Unique: true, Returned: true},
			{Name: "emailVerified", Type: store.Bool, Required: true, Returned: true},
			{Name: "image", Type: store.String, Returned: true},
			{Name: "createdAt", Type: store.Time, Required: true, Returned: true},
			{Name: "updatedAt", Type: store.Time, Required: true, Returned: true},
		}},
		{Name: TableSession, Fields: []*store.Field{
			{Name: "expiresAt", Type: store.Time, Required: true, Indexed: true, Returned: true},
			// The SHA-256 of the token, never the token.
			{Name: "token", Type: store.String, Required: true, Unique: true, Returned: true},
			{Name: "createdAt", Type: store.Time, Required: true, Returned: true},
			{Name: "updatedAt", Type: store.Time, Required: true, Returned: true},
			{Name: "ipAddress", Type: store.String, Returned: true},
			{Name: "userAgent", Type: store.String, Returned: true},
			{Name: "userId", Type: store.String, Required: true, Returned: true, Indexed: true, References: &store.Reference{Table: TableUser}},
		}},
		{
			Name: TableAccount, Fields: []*store.Field{
				{Name: "accountId", Type: store.String, Required: true, Returned: true},
				{Name: "providerId", Type: store.String, Required: true, Returned: true},
				{Name: "userId", Type: store.String, Required: true, Returned: true, Indexed: true, References: &store.Reference{Table: TableUser}},
				{Name: "accessToken", Type: store.String},
				{Name: "refreshToken", Type: store.String},
				{Name: "idToken", Type: store.String},
				{Name: "accessTokenExpiresAt", Type: store.Time},
				{Name: "refreshTokenExpiresAt", Type: store.Time},
				{Name: "scope", Type: store.String},
				{Name: "password", Type: store.String},
				{Name: "createdAt", Type: store.Time, Required: true, Returned: true},
				{Name: "updatedAt", Type: store.Time, Required: true, Returned: true},
			},
			// One provider's account belongs to one user.
			Indexes: []store.Index{{Fields: []string{"providerId", "accountId"}, Unique: true}},
		},
		{Name: TableVerification, Fields: []*store.Field{
			{Name: "identifier", Type: store.String, Required: true, Indexed: true},
			{Name: "value", Type: store.String, Required: true},
			{Name: "expiresAt", Type: store.Time, Required: true, Indexed: true},
			{Name: "createdAt", Type: store.Time, Required: true},
			{Name: "updatedAt", Type: store.Time, Required: true},
		}},
	}
}
