package redisstorage

import (
	"context"
	"crypto/sha1" // #nosec G505 -- it is how Redis names scripts
	"encoding/hex"
	"slices"

	"github.com/redis/go-redis/v9"
)

// script is Lua that Redis runs as one step. Every script here uses a single
// key, so that it runs on a cluster.
type script struct {
	source string
	sha    any // a string; boxed once
}

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source)) // #nosec G401
	return &script{source: source, sha: hex.EncodeToString(sum[:])}
}

// evaluation is a request that runs a script: by its hash, and by its source
// when Redis does not know it yet. C is the command of go-redis that reads the
// script's result.
type evaluation[C redis.Cmder] struct {
	script *script
	words  []any
	newCmd func(context.Context, ...any) C
	cmd    C
}

func (e *evaluation[C]) send(ctx context.Context, client redis.UniversalClient) error {
	err := e.process(ctx, client, e.words)
	if err == nil || !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return err
	}
	words := slices.Clone(e.words)
	words[0], words[1] = "eval", e.script.source
	return e.process(ctx, client, words)
}

func (e *evaluation[C]) process(ctx context.Context, client redis.UniversalClient, words []any) error {
	e.cmd = e.newCmd(ctx, words...)
	return client.Process(ctx, &change{e.cmd})
}

// eval runs the script on one key and returns the command with its result.
func eval[C redis.Cmder](
	ctx context.Context, s *Storage, op string, newCmd func(context.Context, ...any) C, sc *script, key string, argv ...any,
) (C, error) {
	words := make([]any, 0, 4+len(argv))
	words = append(append(words, "evalsha", sc.sha, 1, key), argv...)
	e := &evaluation[C]{script: sc, words: words, newCmd: newCmd}
	if err := s.run(ctx, op, e); err != nil {
		// The request may still be on its way and e.cmd in use.
		var none C
		return none, err
	}
	return e.cmd, nil
}
