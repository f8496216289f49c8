package mongostore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/store"
)

// tablesName is the collection that holds what has been migrated: a database
// without a schema does not know which fields there are.
const tablesName = "ostiary_tables"

// columns are the types of a collection's migrated fields, by their keys.
type columns map[string]string

// tableDoc is a document of the collection [tablesName].
type tableDoc struct {
	Name   string  `bson:"_id"`
	Fields columns `bson:"fields"`
	LastID int64   `bson:"lastId"`
}

// check fails unless the context is good for another call, and the table is of
// a schema that has been migrated.
func (s *Store) check(ctx context.Context, t *store.Table) error {
	if t == nil || t.Schema() == nil {
		return fmt.Errorf("%w: the table is of no schema", store.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.covers(t) == nil {
		return nil
	}
	// Another process may have migrated since.
	if err := s.readMigrated(ctx, t); err != nil {
		return err
	}
	return s.covers(t)
}

// covers fails unless all fields of the table are known to be migrated.
func (s *Store) covers(t *store.Table) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	known := s.migrated[t.DBName()]
	for _, f := range t.Fields {
		if known[key(f)] == "" {
			return fmt.Errorf("%w: field %q of %q is not migrated", store.ErrInvalid, f.Name, t.Name)
		}
	}
	return nil
}

func (s *Store) readMigrated(ctx context.Context, t *store.Table) error {
	var doc tableDoc
	err := s.named(tablesName).FindOne(ctx, byID(t.DBName())).Decode(&doc)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return failure(ctx, nil, err)
	}
	s.know(t.DBName(), doc.Fields)
	return nil
}

func (s *Store) know(collection string, fields columns) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := maps.Clone(s.migrated[collection])
	if known == nil {
		known = columns{}
	}
	maps.Copy(known, fields)
	s.migrated[collection] = known
}

// nextID counts up the table's serial ids, or sees to it that one that was
// given is not made again. It is no part of a transaction: like in other
// databases, a number that is not used is lost.
func (s *Store) nextID(ctx context.Context, t *store.Table, given string) (int64, error) {
	change := bson.D{{Key: "$inc", Value: bson.D{{Key: "lastId", Value: int64(1)}}}}
	if given != "" {
		n, _ := strconv.ParseInt(given, 10, 64) // canonical ids of this kind are numbers
		change = bson.D{{Key: "$max", Value: bson.D{{Key: "lastId", Value: n}}}}
	}
	after := options.FindOneAndUpdate().SetReturnDocument(options.After)
	var doc tableDoc
	err := s.named(tablesName).FindOneAndUpdate(ctx, byID(t.DBName()), change, after).Decode(&doc)
	return doc.LastID, failure(ctx, nil, err)
}

// todo is one step of a migration.
type todo struct {
	text string // for the plan
	run  func(ctx context.Context) error
}

// Plan implements [store.Planner]. The statements are written for mongosh. That
// rows violate an index only shows when it is made.
func (s *Store) Plan(ctx context.Context, schema *store.Schema) (*store.Plan, error) {
	plan, todos, err := s.plan(ctx, schema)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	for _, step := range todos {
		plan.Statements = append(plan.Statements, step.text)
	}
	return plan, nil
}

// Migrate implements [store.Store]. A unique index that the documents already
// there violate is a [store.DuplicateError]; what was made before it stays, and
// the next Migrate goes on from there. On a server without transactions it is
// [store.ErrInvalid], unless [WithoutTransactions] was given.
func (s *Store) Migrate(ctx context.Context, schema *store.Schema) error {
	if _, inside := ctx.Value(txKey{s}).(*unit); inside {
		return fmt.Errorf("migrate: %w: inside a transaction", store.ErrInvalid)
	}
	plan, todos, err := s.plan(ctx, schema)
	if err == nil {
		err = plan.Err()
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := s.transactions(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, step := range todos {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	return nil
}

// plan is the difference between the database and the schema. No step of it is
// harmed by another process that does the same, so it needs no lock.
func (s *Store) plan(ctx context.Context, schema *store.Schema) (*store.Plan, []todo, error) {
	if schema == nil {
		return nil, nil, fmt.Errorf("%w: no schema", store.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	plan := &store.Plan{}
	var todos []todo
	for _, t := range schema.Tables() {
		plan.Refused = append(plan.Refused, refused(t)...)
		var doc tableDoc
		err := s.named(tablesName).FindOne(ctx, byID(t.DBName())).Decode(&doc)
		missing := errors.Is(err, mongo.ErrNoDocuments)
		if err != nil && !missing {
			return nil, nil, failure(ctx, nil, err)
		}
		if missing {
			todos = append(todos, s.createCollection(t))
		}
		indexes, err := s.missingIndexes(ctx, t)
		if err != nil {
			return nil, nil, err
		}
		todos = append(todos, indexes...)
		todos = append(todos, s.missingFields(t, doc.Fields)...)
		unfilled, err := s.unfilled(ctx, t, doc.Fields)
		if err != nil {
			return nil, nil, err
		}
		plan.Refused = append(plan.Refused, unfilled...)
		plan.Warnings = append(plan.Warnings, drift(t, doc.Fields)...)
	}
	return plan, todos, nil
}

// refused is what of the table MongoDB cannot keep.
func refused(t *store.Table) []string {
	var problems []string
	if t.DBSchema() != "" {
		problems = append(problems, fmt.Sprintf("table %q: MongoDB has no schemas: leave Naming.Schema empty, and use another database or a Prefix", t.Name))
	}
	if t.DBName() == tablesName || strings.HasPrefix(t.DBName(), "system_") {
		problems = append(problems, fmt.Sprintf("table %q: the collection %q is not for tables; name it otherwise", t.Name, t.DBName()))
	}
	for _, f := range t.Fields {
		if f.Name != store.ID && key(f) == idKey {
			problems = append(problems, fmt.Sprintf("table %q: field %q is named _id, which is where MongoDB keeps the id; name it otherwise", t.Name, f.Name))
		}
	}
	return problems
}

// unfilled are the new fields of the table that are required and that documents
// lack.
func (s *Store) unfilled(ctx context.Context, t *store.Table, known columns) ([]string, error) {
	var problems []string
	for _, f := range t.Fields {
		if !f.Required || f.Name == store.ID || known[key(f)] != "" {
			continue
		}
		err := s.collection(t).FindOne(ctx, bson.D{{Key: key(f), Value: nil}}).Err()
		switch {
		case err == nil:
			problems = append(problems, fmt.Sprintf("table %q: documents of %s lack %s, which is required: write it into them first, or let the field be null", t.Name, t.DBName(), key(f)))
		case !errors.Is(err, mongo.ErrNoDocuments):
			return nil, failure(ctx, t, err)
		}
	}
	return problems, nil
}

// namespaceExists is the code for a collection that is there already.
const namespaceExists = 48

func (s *Store) createCollection(t *store.Table) todo {
	return todo{
		text: fmt.Sprintf("db.createCollection(%q)", t.DBName()),
		run: func(ctx context.Context) error {
			err := s.db.CreateCollection(ctx, t.DBName())
			var server mongo.ServerError
			if errors.As(err, &server) && server.HasErrorCode(namespaceExists) {
				return nil
			}
			return failure(ctx, nil, err)
		},
	}
}

func drift(t *store.Table, known columns) []string {
	var warnings []string
	for _, f := range t.Fields {
		if was := known[key(f)]; was != "" && was != typeName(f) {
			warnings = append(warnings, fmt.Sprintf("%s.%s has been migrated as %s and is %s now", t.DBName(), key(f), was, typeName(f)))
		}
	}
	return warnings
}

// typeName says how a field is kept.
func typeName(f *store.Field) string {
	if f.IDKind() == store.SerialID {
		return "serial"
	}
	return f.Type.String()
}

// missingFields is the step that says which fields are migrated, which comes
// after their indexes.
func (s *Store) missingFields(t *store.Table, known columns) []todo {
	missing, assign := columns{}, bson.D{}
	for _, f := range t.Fields {
		if known[key(f)] == "" {
			missing[key(f)] = typeName(f)
			assign = append(assign, bson.E{Key: "fields." + key(f), Value: typeName(f)})
		}
	}
	if len(missing) == 0 {
		s.know(t.DBName(), known)
		return nil
	}
	change := bson.D{{Key: "$set", Value: assign}}
	return []todo{{
		text: fmt.Sprintf("db.%s.updateOne(%s, %s, {upsert: true})", tablesName, shell(byID(t.DBName())), shell(change)),
		run: func(ctx context.Context) error {
			tables, upsert := s.named(tablesName), options.UpdateOne().SetUpsert(true)
			_, err := tables.UpdateOne(ctx, byID(t.DBName()), change, upsert)
			if isDuplicate(err) { // another process made it at the same moment
				_, err = tables.UpdateOne(ctx, byID(t.DBName()), change, upsert)
			}
			if err == nil {
				s.know(t.DBName(), missing)
			}
			return failure(ctx, nil, err)
		},
	}}
}

// shell is a document as it is written in mongosh.
func shell(v any) string {
	text, err := bson.MarshalExtJSON(v, false, false)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// index is one that the schema asks for.
type index struct {
	fields []*store.Field
	unique bool
}

// indexes lists those that the table needs, each combination of fields once: a
// unique index serves those who only look something up.
func indexes(t *store.Table) []index {
	var all []index
	add := func(unique bool, names ...string) {
		fields := make([]*store.Field, len(names))
		for i, name := range names {
			fields[i] = t.Field(name)
		}
		i := slices.IndexFunc(all, func(ix index) bool { return slices.Equal(ix.fields, fields) })
		if i < 0 {
			all = append(all, index{fields, unique})
			return
		}
		all[i].unique = all[i].unique || unique
	}
	for _, f := range t.Fields {
		if f.Name != store.ID && (f.Unique || f.Indexed || f.References != nil) {
			add(f.Unique, f.Name)
		}
	}
	for _, ix := range t.Indexes {
		if !slices.Equal(ix.Fields, []string{store.ID}) {
			add(ix.Unique, ix.Fields...)
		}
	}
	return all
}

func (ix index) keys() bson.D {
	keys := make(bson.D, len(ix.fields))
	for i, f := range ix.fields {
		keys[i] = bson.E{Key: key(f), Value: int32(1)}
	}
	return keys
}

// name is that of the index: of its keys alone, since the collection is known.
func (ix index) name() string {
	names := make([]string, len(ix.fields))
	for i, f := range ix.fields {
		names[i] = key(f)
	}
	kind := "idx"
	if ix.unique {
		kind = "uidx"
	}
	return strings.Join(names, "_") + "_" + kind
}

// model is the index as the driver wants it. MongoDB takes a field that is not
// there for a value like any other, so that only one document could be without
// it: those are left out of the index.
func (ix index) model(partial bool) mongo.IndexModel {
	settings := options.Index().SetName(ix.name())
	if ix.unique {
		settings.SetUnique(true)
	}
	if there := ix.present(); partial && len(there) > 0 {
		settings.SetPartialFilterExpression(there)
	}
	return mongo.IndexModel{Keys: ix.keys(), Options: settings}
}

// present is the condition that no field of a unique index is null, as far as
// that is not certain anyway.
func (ix index) present() bson.D {
	var there bson.D
	for _, f := range ix.fields {
		if ix.unique && !f.Required {
			there = append(there, bson.E{Key: key(f), Value: bson.D{{Key: "$exists", Value: true}}})
		}
	}
	return there
}

func (ix index) text(t *store.Table) string {
	settings := bson.D{{Key: "name", Value: ix.name()}}
	if ix.unique {
		settings = append(settings, bson.E{Key: "unique", Value: true})
	}
	if there := ix.present(); len(there) > 0 {
		settings = append(settings, bson.E{Key: "partialFilterExpression", Value: there})
	}
	return fmt.Sprintf("db.%s.createIndex(%s, %s)", t.DBName(), shell(ix.keys()), shell(settings))
}

// missingIndexes are the steps that make the indexes which are not there.
func (s *Store) missingIndexes(ctx context.Context, t *store.Table) ([]todo, error) {
	there, err := s.collection(t).Indexes().ListSpecifications(ctx)
	if err != nil && !isMissing(err) {
		return nil, failure(ctx, nil, err)
	}
	var todos []todo
	for _, ix := range indexes(t) {
		keys, err := bson.Marshal(ix.keys())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(there, func(spec mongo.IndexSpecification) bool {
			return sameKeys(spec.KeysDocument, keys) && (!ix.unique || spec.Unique != nil && *spec.Unique)
		}) {
			continue
		}
		todos = append(todos, todo{
			text: ix.text(t),
			run:  func(ctx context.Context) error { return s.createIndex(ctx, t, ix) },
		})
	}
	return todos, nil
}

// sameKeys compares the keys of two indexes: servers differ in the type of
// number in which they return the direction.
func sameKeys(a, b bson.Raw) bool {
	x, errA := a.Elements()
	y, errB := b.Elements()
	return errA == nil && errB == nil && slices.EqualFunc(x, y, func(v, w bson.RawElement) bool {
		m, ok := v.Value().AsInt64OK()
		n, _ := w.Value().AsInt64OK()
		return ok && v.Key() == w.Key() && m == n
	})
}

const (
	namespaceNotFound = 26
	notImplemented    = 238
)

// isMissing reports an error that only says that there is no such collection.
func isMissing(err error) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(namespaceNotFound)
}

func (s *Store) createIndex(ctx context.Context, t *store.Table, ix index) error {
	_, err := s.collection(t).Indexes().CreateOne(ctx, ix.model(true))
	var server mongo.ServerError
	if errors.As(err, &server) && server.HasErrorCode(notImplemented) {
		// FerretDB has no partial indexes, and needs none: where a field is not
		// there, it takes no document for another's duplicate.
		_, err = s.collection(t).Indexes().CreateOne(ctx, ix.model(false))
	}
	switch {
	case err == nil:
		return nil
	case isDuplicate(err):
		names := make([]string, len(ix.fields))
		for i, f := range ix.fields {
			names[i] = f.Name
		}
		return &store.DuplicateError{Table: t.Name, Fields: names, Err: err}
	}
	return fmt.Errorf("index %s of %s: %w", ix.name(), t.DBName(), failure(ctx, nil, err))
}

// doing puts what was being done in front of an error.
func doing(op string, t *store.Table, err error) error {
	if t == nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s in %s: %w", op, t.Name, err)
}
