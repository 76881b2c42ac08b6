// Package validation checks payloads by their struct tags, with
// go-playground/validator:
//
//	node := headrace.New(headrace.Config{Validate: validation.Check(validator.New())})
package validation

import (
	"errors"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/headrace/headrace/message"
)

// Check returns a function for headrace.Config.Validate. It looks at structs, and
// tells clients which fields are wrong, by their names in JSON, and which rules
// they break; handler.InputError.Field is the first of them. The function for the
// names of fields is v's from then on.
func Check(v *validator.Validate) func(payload any) error {
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			return "" // it goes by its name in Go
		}
		return name
	})
	return func(payload any) error {
		if reflect.Indirect(reflect.ValueOf(payload)).Kind() != reflect.Struct {
			return nil
		}
		err := v.Struct(payload)
		broken, ok := errors.AsType[validator.ValidationErrors](err)
		if !ok {
			return err
		}
		var all []string
		for _, e := range broken {
			all = append(all, path(e)+": "+strings.TrimSpace(e.Tag()+" "+e.Param()))
		}
		return message.Errorf(message.CodeInvalid, "%s", strings.Join(all, ", ")).WithCause(cause{broken})
	}
}

// cause says which field is wrong, as the router asks for it.
type cause struct{ validator.ValidationErrors }

func (c cause) Field() string { return path(c.ValidationErrors[0]) }

// path returns the names on the way to a field, behind that of the payload's type.
func path(e validator.FieldError) string {
	_, below, _ := strings.Cut(e.Namespace(), ".")
	return below
}
