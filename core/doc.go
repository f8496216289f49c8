// Package core is Ostiary's engine: sign-up and sign-in, sessions, and the
// endpoints that browsers and programs reach them by. It speaks the wire
// protocol of the TypeScript library better-auth, so that front ends which use
// the better-auth npm client work against it unchanged.
//
// Make one [Auth] when the application starts:
//
//	auth, err := core.New(core.Config{
//		Secret:        os.Getenv("AUTH_SECRET"),
//		BaseURL:       "https://example.com",
//		Store:         bunstore.New(db),
//		EmailPassword: core.EmailPassword{Enabled: true},
//	})
//	if err != nil {
//		return err // every problem of the configuration at once
//	}
//	err = auth.Migrate(ctx)
//
// and mount it with package echoauth or ginauth, or as a plain [http.Handler]
// with [Auth.Handler]. Everything an endpoint does can be called from Go as
// well, see [Auth.SignInEmail]. Plugins add to it through one method, see
// [Plugin].
//
// The one thing to know: "nobody is signed in" and "we cannot tell" are
// different answers. Whatever asks for a session gets nil for the first and an
// error, answered 503, for the second; a storage that is down never signs
// anybody out.
package core
