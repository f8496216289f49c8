package core

import (
	"crypto/sha256"
	"encoding/base64"
)

// tokenLength is how many letters and digits a token has: 190 bits.
const tokenLength = 32

// hashToken is the form in which a secret token is kept: whoever reads the
// storage cannot use what is found there.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
