// What promtool checks, with the packages that promtool is made of.
//
//	promcheck metrics < text     Prometheus' linter: names, units, help
//	promcheck rules FILE         alert rules: structure, expressions, templates
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/prometheus/model/rulefmt"
)

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "metrics":
		problems, err := promlint.New(os.Stdin).Lint()
		fail(err)
		for _, problem := range problems {
			fail(fmt.Errorf("%s: %s", problem.Metric, problem.Text))
		}
	case len(os.Args) == 3 && os.Args[1] == "rules":
		groups, errs := rulefmt.ParseFile(os.Args[2], false)
		for _, err := range errs {
			fail(err)
		}
		rules := 0
		for _, group := range groups.Groups {
			rules += len(group.Rules)
		}
		fmt.Printf("%s: %d rules\n", os.Args[2], rules)
	default:
		fail(fmt.Errorf("usage: promcheck metrics < text | promcheck rules FILE"))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
