package main

import (
	archive "archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// tar does what `kubectl cp` asks for with single files: `tar cf - FILE` and `tar -xmf - -C DIRECTORY`.
func tar(args []string) int {
	var err error
	if strings.Contains(args[0], "x") {
		err = unpack(os.Stdin, args[len(args)-1])
	} else {
		err = pack(os.Stdout, args[len(args)-1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func pack(to io.Writer, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	writer := archive.NewWriter(to)
	header := &archive.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o644, Size: int64(len(content))}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	if _, err := writer.Write(content); err != nil {
		return err
	}
	return writer.Close()
}

func unpack(from io.Reader, directory string) error {
	for reader := archive.NewReader(from); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(directory, header.Name), content, 0o644); err != nil {
			return err
		}
	}
}
