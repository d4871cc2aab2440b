// greedy takes more of one thing than it should have: processes, memory, disk or log. It runs in a cluster while others
// are watched, and says on its first line what it is at.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

const mebibyte = 1 << 20

func main() {
	what := "nothing"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	if what == "wait" {
		select {}
	}
	fmt.Println("greedy for", what)
	switch what {
	case "processes":
		processes()
	case "memory":
		memory()
	case "disk":
		disk(os.Args[2], os.Args[3])
	case "log":
		log()
	default:
		fmt.Fprintln(os.Stderr, "usage: greedy processes | memory | disk FILE MEBIBYTES | log")
		os.Exit(2)
	}
}

// processes starts children until that is refused, says how many there are, and goes on trying.
func processes() {
	for count, told := 0, false; ; {
		if err := exec.Command("/proc/self/exe", "wait").Start(); err == nil {
			count++
			continue
		} else if !told {
			told = true
			fmt.Println("refused after", count, "processes:", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// memory takes and touches 16 MiB after the other.
func memory() {
	for taken := [][]byte{}; ; {
		taken = append(taken, bytes.Repeat([]byte{1}, 16*mebibyte))
	}
}

// disk writes a file of so many MiB, or until that is refused, then waits.
func disk(path, size string) {
	left, err := strconv.Atoi(size)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	file, err := os.Create(path)
	block := bytes.Repeat([]byte{1}, mebibyte)
	for ; err == nil && left > 0; left-- {
		_, err = file.Write(block)
	}
	fmt.Println("written:", err)
	select {}
}

// log writes lines as fast as they are taken.
func log() {
	line := append(bytes.Repeat([]byte{'x'}, 1000), '\n')
	for {
		if _, err := os.Stdout.Write(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(time.Second)
		}
	}
}
