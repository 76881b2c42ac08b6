package house

import (
	"context"
	"fmt"
	"go/ast"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

const brokersPage = "docs/brokers.md"

// TestBrokers compares the table of what each broker can do with what they say of themselves.
func TestBrokers(t *testing.T) {
	nobody := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil })
	memory := broker.NewMemory(nobody, broker.Config{})
	defer memory.Close()
	nodes := broker.NewMemory(nobody, broker.Config{
		Backplane: messagetest.NewBackplane(),
		Rules:     []broker.Rule{{Prefix: "/topic", Everywhere: true}},
	})
	defer nodes.Close()
	page, err := fs.ReadFile(repository(t).fsys, brokersPage)
	if err != nil {
		t.Fatal(err)
	}
	table := capabilities(featureComments(repository(t)), []string{"`broker.Memory`", "with `messagetest.NewBackplane`"}, memory.Features(), nodes.Features())
	text, err := replaceTable(string(page), table)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, brokersPage, text)
}

// featureComments returns what each field of broker.Features means, in their order.
func featureComments(t *tree) (comments []string) {
	for _, s := range t.sources {
		if s.dir() != "broker" || s.isTest() {
			continue
		}
		for n := range ast.Preorder(s.syntax) {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != "Features" {
				continue
			}
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				_, text, _ := strings.Cut(field.Doc.Text(), ": ") // after the name
				text = strings.Join(strings.Fields(text), " ")
				comments = append(comments, strings.ToUpper(text[:1])+text[1:])
			}
		}
	}
	return comments
}

// capabilities writes the table, with a column for each broker.
func capabilities(comments, brokers []string, features ...broker.Features) string {
	var names []string
	for name := range (broker.Features{}).All() {
		names = append(names, name)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| | what it means | %s |\n| --- | --- |%s\n", strings.Join(brokers, " | "), strings.Repeat(" --- |", len(brokers)))
	for i, name := range names {
		fmt.Fprintf(&table, "| %s | %s |", name, comments[i])
		for _, f := range features {
			table.WriteString(map[bool]string{true: " yes |", false: " no |"}[has(f, name)])
		}
		table.WriteString("\n")
	}
	return table.String()
}

func has(f broker.Features, name string) bool {
	for n, has := range f.All() {
		if n == name {
			return has
		}
	}
	return false
}

// replaceTable writes a table between the two comments of a page that enclose it.
func replaceTable(page, table string) (string, error) {
	const begin, end = "<!-- features: written by make api -->\n", "<!-- end of features -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("%s: the table does not stand between %q and %q", brokersPage, begin, end)
	}
	return before + begin + "\n" + table + "\n" + end + after, nil
}

// TestFeatureNames: Features.All has each field, in the order of the fields, by which their comments are found.
func TestFeatureNames(t *testing.T) {
	var f broker.Features
	fields := reflect.ValueOf(&f).Elem()
	if comments := featureComments(repository(t)); len(comments) != fields.NumField() {
		t.Fatalf("%d comments of %d features", len(comments), fields.NumField())
	}
	for i := range fields.NumField() {
		fields.SetZero()
		fields.Field(i).SetBool(true)
		at := 0
		for name, has := range f.All() {
			if has != (at == i) {
				t.Errorf("%q is not what stands for the field %s", name, fields.Type().Field(i).Name)
			}
			at++
		}
		if at != fields.NumField() {
			t.Fatalf("All has %d of %d features", at, fields.NumField())
		}
	}
}

func TestReplaceTable(t *testing.T) {
	const page = "a\n<!-- features: written by make api -->\nold\n<!-- end of features -->\nb\n"
	got, err := replaceTable(page, "new\n")
	if want := "a\n<!-- features: written by make api -->\n\nnew\n\n<!-- end of features -->\nb\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := replaceTable("a\n", "new\n"); err == nil {
		t.Error("a page without a place for the table is no error")
	}
}

func TestCapabilities(t *testing.T) {
	var comments []string
	for name := range (broker.Features{}).All() {
		comments = append(comments, strings.ToUpper(name)+".")
	}
	got := capabilities(comments, []string{"one", "two"}, broker.Features{Queues: true}, broker.Features{Acks: true})
	for _, want := range []string{
		"| | what it means | one | two |\n| --- | --- | --- | --- |\n",
		"\n| queues | QUEUES. | yes | no |\n",
		"\n| acknowledgements | ACKNOWLEDGEMENTS. | no | yes |\n",
		"\n| many nodes | MANY NODES. | no | no |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}
