package redisstorage

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// The scores of a set are the milliseconds at which its members expire. Lua
// writes whole numbers into commands exactly, but rounds them when it joins
// strings: hence string.format.
var (
	addMemberScript = newScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then
  redis.call('PEXPIREAT', KEYS[1], last[2])
end
return 1
`)

	membersScript = newScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
`)
)

// farthest is the last instant a member is kept to. Redis refuses instants that
// overflow its milliseconds, and clients misread times to live of more than 292
// years.
var farthest = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// AddMember implements [secondary.Storage].
func (s *Storage) AddMember(ctx context.Context, key, member string, until time.Time) error {
	if until.After(farthest) {
		until = farthest
	}
	ms := until.UnixMilli()
	if until.After(time.UnixMilli(ms)) {
		ms++
	}
	_, err := eval(ctx, s, "add member", redis.NewIntCmd, addMemberScript, s.prefix+key, member, ms)
	return err
}

// RemoveMember implements [secondary.Storage].
func (s *Storage) RemoveMember(ctx context.Context, key string, members ...string) error {
	const op = "remove member"
	if len(members) == 0 {
		return contextError(ctx, op)
	}
	args := make([]any, 0, 2+len(members))
	args = append(args, "zrem", s.prefix+key)
	for _, member := range members {
		args = append(args, member)
	}
	return s.run(ctx, op, &change{redis.NewIntCmd(ctx, args...)})
}

// Members implements [secondary.Storage].
func (s *Storage) Members(ctx context.Context, key string) ([]string, error) {
	cmd, err := eval(ctx, s, "members", redis.NewStringSliceCmd, membersScript, s.prefix+key)
	if err != nil {
		return nil, err
	}
	return cmd.Val(), nil
}
