package password_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/password"
)

func TestCheckHash(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]string{
		"argon2id": horse2id, "argon2i": horse2i, "short tag": shortTag, "long tag": longTag, "wide": wide,
		"scrypt": scrypt, "bcrypt": bcrypt4,
		"most memory":  strings.Replace(horse2id, "m=19456", "m=1048576", 1),
		"most passes":  strings.Replace(horse2id, "t=2", "t=10", 1),
		"most threads": strings.Replace(horse2id, "p=1", "p=16", 1),
		"least memory": strings.Replace(horse2id, "m=19456", "m=8", 1),
		"most cost":    strings.Replace(bcrypt4, "$04", "$15", 1),
	} {
		if err := password.CheckHash(known); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	argon := func(old, replacement string) string { return strings.Replace(horse2id, old, replacement, 1) }
	for name, unknown := range map[string]string{
		"empty":                    "",
		"plain text":               horse,
		"SHA-256":                  "$5$rounds=5000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
		"MD5":                      "5f4dcc3b5aa765d61d8327deb882cf99",
		"PHC of scrypt":            "$scrypt$ln=14,r=8,p=1$c29tZXNhbHQ$U/3KamqJd3O+ibfaQKXSfQ",
		"argon2d":                  argon("argon2id", "argon2d"),
		"argon2":                   argon("argon2id", "argon2"),
		"capitals":                 argon("argon2id", "Argon2id"),
		"version 16":               argon("v=19", "v=16"),
		"no version":               argon("$v=19", ""),
		"memory too much":          argon("m=19456", "m=1048577"),
		"memory beyond 32 bit":     argon("m=19456", "m=4294967296"),
		"memory beyond 64 bit":     argon("m=19456", "m=99999999999999999999"),
		"memory none":              argon("m=19456", "m=0"),
		"memory too little":        argon("m=19456", "m=7"),
		"memory below the lanes":   argon("m=19456,t=2,p=1", "m=127,t=2,p=16"),
		"memory negative":          argon("m=19456", "m=-19456"),
		"memory signed":            argon("m=19456", "m=+19456"),
		"memory with a zero":       argon("m=19456", "m=019456"),
		"memory hexadecimal":       argon("m=19456", "m=0x4c00"),
		"memory a fraction":        argon("m=19456", "m=19456.0"),
		"memory with a space":      argon("m=19456", "m= 19456"),
		"memory empty":             argon("m=19456", "m="),
		"passes too many":          argon("t=2", "t=11"),
		"passes none":              argon("t=2", "t=0"),
		"threads too many":         argon("p=1", "p=17"),
		"threads beyond 8 bit":     argon("p=1", "p=257"),
		"threads none":             argon("p=1", "p=0"),
		"other order":              argon("m=19456,t=2", "t=2,m=19456"),
		"a parameter twice":        argon("t=2", "m=2"),
		"a parameter more":         argon("p=1", "p=1,keyid=1"),
		"a parameter less":         argon(",p=1", ""),
		"salt padded":              argon("RlZg", "RlZg=="),
		"salt empty":               argon("MDEyMzQ1Njc4OWFiY2RlZg", ""),
		"salt too short":           argon("MDEyMzQ1Njc4OWFiY2RlZg", "c29tZXNhbA"),
		"salt too long":            argon("MDEyMzQ1Njc4OWFiY2RlZg", strings.Repeat("MDEy", 22)),
		"salt with stray bits":     argon("RlZg", "RlZh"),
		"salt with a line break":   argon("RlZg", "Rl\nZg"),
		"key of another base64":    argon("/S2U", "_S2U"),
		"key with stray bits":      strings.TrimSuffix(horse2id, "0") + "1",
		"key padded":               horse2id + "=",
		"key empty":                horse2id[:strings.LastIndexByte(horse2id, '$')+1],
		"key absent":               horse2id[:strings.LastIndexByte(horse2id, '$')],
		"key too short":            strings.TrimSuffix(shortTag, "SfQ"),
		"key too long":             longTag + "AAAA",
		"one more part":            horse2id + "$",
		"space at the end":         horse2id + " ",
		"line break at the end":    horse2id + "\n",
		"space before":             " " + horse2id,
		"scrypt without colon":     strings.Replace(scrypt, ":", "a", 1),
		"scrypt, colon moved":      scrypt[:31] + ":" + scrypt[31:32] + scrypt[33:],
		"scrypt in capitals":       strings.ToUpper(scrypt),
		"scrypt not hexadecimal":   strings.Replace(scrypt, "3440", "34g0", 1),
		"scrypt key too short":     scrypt[:160],
		"scrypt key too long":      scrypt + "00",
		"scrypt of other key":      strings.TrimSuffix(scrypt, "c") + "x",
		"bcrypt 2":                 strings.Replace(bcrypt4, "$2b$", "$2$", 1),
		"bcrypt 2x":                strings.Replace(bcrypt4, "$2b$", "$2x$", 1),
		"bcrypt too costly":        strings.Replace(bcrypt4, "$04", "$16", 1),
		"bcrypt far too costly":    strings.Replace(bcrypt4, "$04", "$31", 1),
		"bcrypt too cheap":         strings.Replace(bcrypt4, "$04", "$03", 1),
		"bcrypt cost signed":       strings.Replace(bcrypt4, "$04", "$+4", 1),
		"bcrypt stray bits":        strings.Replace(bcrypt4, "rstuu", "rstuv", 1),
		"bcrypt key stray bits":    strings.TrimSuffix(bcrypt4, "e") + "f",
		"bcrypt too short":         bcrypt4[:59],
		"bcrypt too long":          bcrypt4 + ".",
		"bcrypt line break":        bcrypt4[:20] + "\n" + bcrypt4[21:],
		"bcrypt line break in key": bcrypt4[:29] + "\n" + bcrypt4[30:59] + ".",
		"a megabyte":               strings.Repeat("$argon2id", 1<<17),
	} {
		err := password.CheckHash(unknown)
		if !errors.Is(err, password.ErrUnknownHash) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if unknown != "" && strings.Contains(err.Error(), unknown) {
			t.Errorf("%s: the error quotes the hash: %v", name, err)
		}
	}
}
