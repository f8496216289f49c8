package cli

import (
	"context"
	"crypto/rand"
	"encoding/base64"
)

// secretBytes is how long a secret is, in random bytes.
const secretBytes = 32

func (r *run) secret() *command {
	return &command{
		name:    "secret",
		summary: "print a new secret",
		about: `
Prints a new value for Config.Secret: 32 random bytes, in base64, and nothing
else. Keep it out of the source code and give the same one to every instance.
Whoever changes the secret of a running application keeps the former one in
Config.OldSecrets for as long as sessions live, or everybody is signed out.`,
		examples: [][2]string{
			{"a secret for a new application", "secret"},
			{"straight into a file that only its owner can read", "secret | install -m 600 /dev/stdin auth.secret"},
		},
		flags: newFlags(),
		do: func(context.Context) error {
			var secret [secretBytes]byte
			_, _ = rand.Read(secret[:]) // it never fails
			r.printf("%s", base64.StdEncoding.EncodeToString(secret[:]))
			return nil
		},
	}
}
