package core

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const (
	tokenLength = 32 // 190 bits
	idLength    = 32
)

// randomText returns n characters drawn evenly from letters and digits.
// Bytes that would favour the alphabet's front are thrown away.
func randomText(random io.Reader, n int) (string, error) {
	const fair = 256 - 256%len(alphanumeric)
	out := make([]byte, 0, n)
	buf := make([]byte, n+n/4)
	for len(out) < n {
		if _, err := io.ReadFull(random, buf); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		for _, b := range buf {
			if int(b) < fair && len(out) < n {
				out = append(out, alphanumeric[int(b)%len(alphanumeric)])
			}
		}
	}
	return string(out), nil
}

// hashToken is the form in which a secret token is kept: whoever reads the
// storage cannot use what is found there.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
