import Testing

/// Runs the commands and examples of the documents: a reader who copies one gets the output shown.
@Suite struct DocumentsTests {
    struct Snippet: CustomTestStringConvertible {
        let language: String
        let text: String
        let line: Int
        /// The output shown after the snippet.
        var output: String?

        var testDescription: String { "\(language) at line \(line)" }
    }

    static func snippets(of document: String) throws -> [Snippet] {
        let text = try #require(TemporaryFolder.contents(path: "\(packageRoot)/\(document)"))
        var found: [Snippet] = []
        var open: (language: String, line: Int, text: String)?
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if !line.hasPrefix("```") {
                open?.text += line + "\n"
            } else if let block = open {
                if block.language == "text", var last = found.popLast() {
                    last.output = block.text
                    found.append(last)
                } else {
                    found.append(Snippet(language: block.language, text: block.text, line: block.line))
                }
                open = nil
            } else {
                open = (String(line.dropFirst(3)), number + 1, "")
            }
        }
        return found
    }

    /// Documents written by hand; docs/api.md is checked with the manual that it is made from.
    static let documents = [
        "README.md", "CONTRIBUTING.md", "docs/benchmarks.md", "docs/cluster.md", "docs/guarantees.md",
        "docs/sandbox.md", "docs/swift.md", "examples/lessons/README.md",
    ]

    @Test func everyDocumentIsInTheList() throws {
        let found = try ["docs", "examples"].flatMap(Self.files(below:)).filter { $0.hasSuffix(".md") }
        #expect(Set(found).subtracting(["docs/api.md"]) == Set(Self.documents.filter { $0.contains("/") }))
    }

    /// Whether an output matches the document, where `…` stands for any text, and a line of `…` for any lines.
    static func shows(_ shown: String, _ output: String) -> Bool {
        var parts = shown.replacing("…\n", with: "…").split(separator: "…", omittingEmptySubsequences: false)
        guard let first = parts.first, output.hasPrefix(first) else { return false }
        guard let last = parts.popLast(), !parts.isEmpty else { return shown == output }
        var rest = output.dropFirst(first.count)
        for part in parts.dropFirst() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.hasSuffix(last)
    }

    @Test(arguments: documents) func luaSnippetsPrintTheOutputShown(document: String) throws {
        let snippets = try Self.snippets(of: document).filter { $0.language == "lua" }
        #expect(document != "README.md" || snippets.count >= 6)
        let folder = try TemporaryFolder()
        for snippet in snippets {
            try folder.file("example.lua", snippet.text)
            let outcome = try Program(path: "/bin/sh").run([
                "-c", "cd \"$1\" && exec \"$2\" example.lua", "sh", folder.path, Program.mmaplua.path,
            ])
            #expect(outcome.errors == "", "\(snippet.testDescription)")
            #expect(outcome.ending == .status(0), "\(snippet.testDescription)")
            if let output = snippet.output {
                #expect(Self.shows(output, outcome.output), "\(snippet.testDescription): \(outcome.output)")
            }
        }
    }

    @Test(arguments: documents) func everyCommandIsThere(document: String) throws {
        let snippets = try Self.snippets(of: document).filter { $0.language == "sh" }
        #expect(document != "README.md" || snippets.contains { $0.text.hasPrefix("scripts/mmaplua ") })
        for snippet in snippets {
            var last = ""
            for line in snippet.text.split(separator: "\n") {
                let script = try #require(line.split(separator: " ").first)
                #expect(Program(path: "\(packageRoot)/\(script)").exists, "\(line)")
                guard script == "scripts/mmaplua" else { continue }
                let outcome = try Program(path: "/bin/sh").run([
                    "-c", "cd \"$1\" && \"$2\"\(line.dropFirst(script.count))", "sh", packageRoot,
                    Program.mmaplua.path,
                ])
                #expect(outcome.ending == .status(0), "\(line): \(outcome.errors)")
                #expect(!outcome.output.isEmpty, "\(line)")
                last = outcome.output
            }
            guard let output = snippet.output else { continue }
            // The document shows a part of the output.
            #expect(Self.shows("…\n\(output)…\n", last), "\(snippet.testDescription): \(last)")
        }
    }

    /// Each Swift snippet is a part of a test.
    @Test func swiftSnippetsAreTested() throws {
        func trimmed(_ text: String) -> String {
            text.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: "\n")
        }
        let source = try #require(
            TemporaryFolder.contents(path: "\(packageRoot)/Tests/MemoryMapTests/Buffers/ExampleTests.swift"))
        let snippets = try Self.documents.flatMap(Self.snippets(of:)).filter { $0.language == "swift" }
        #expect(!snippets.isEmpty)
        for snippet in snippets {
            #expect(trimmed(source).contains(trimmed(snippet.text)), "\(snippet.testDescription)")
        }
    }

    @Test func everyOptionOfTheHelpIsInTheManualPage() throws {
        let help = try Program.mmaplua.run(["--help"]).output
        let page = try #require(TemporaryFolder.contents(path: "\(packageRoot)/man/mmaplua.1"))
        let options = help.split(separator: "\n").compactMap { line -> Substring? in
            let word = line.drop { $0 == " " }.prefix { $0 != " " && $0 != "=" && $0 != "[" }
            return line.hasPrefix("  -") ? word.dropFirst() : nil
        }
        #expect(options.count >= 8)
        for option in options where !option.isEmpty {
            #expect(page.contains("Fl \(option)"), "-\(option)")
        }
    }

    /// Each guarantee names tests, and these tests exist.
    @Test func everyGuaranteeIsHeldByTests() throws {
        let text = try #require(TemporaryFolder.contents(path: "\(packageRoot)/docs/guarantees.md"))
        let end = try #require(text.firstRange(of: "\nNot promised")).lowerBound
        let section = text[..<end]
        let guarantees = section.split(separator: "\n- **").dropFirst()
        #expect(guarantees.count >= 10)
        let files = try Self.files(below: "Tests")
        for guarantee in guarantees {
            let names = guarantee.split(separator: "`").filter { name in
                name.wholeMatch(of: /[A-Za-z]+Tests(\/\w+)?|(Tests\/soak\/)?\w+\.lua/) != nil
            }
            #expect(!names.isEmpty, "\(guarantee.prefix(40))")
            for name in names {
                let parts = name.split(separator: "/")
                if name.hasSuffix(".lua") {
                    #expect(files.contains("Tests/soak/\(parts.last ?? "")"), "\(name)")
                    continue
                }
                let file = files.first { $0.hasSuffix("/\(parts[0]).swift") }
                let source = try #require(
                    file.flatMap { TemporaryFolder.contents(path: "\(packageRoot)/\($0)") }, "\(name)")
                if parts.count == 2 { #expect(source.contains("func \(parts[1])("), "\(name)") }
            }
        }
    }

    /// The program's list of manual pages must contain every page.
    @Test func everyPageOfTheManualIsInTheProgram() throws {
        let pages = try Self.files(below: "manual").filter { $0.hasSuffix(".txt") }
        #expect(pages.count >= 9)
        for page in pages {
            let text = try #require(TemporaryFolder.contents(path: "\(packageRoot)/\(page)"))
            let lines = text.split(separator: "\n")
            let heading = try #require(lines.firstIndex { $0.hasPrefix("## ") })
            let name = lines[heading].dropFirst(3).prefix { $0 != "," }
            let outcome = try Program.mmaplua.run(["-i"], input: "help '\(name)'\n")
            let signature = lines[heading + 1].prefix { $0 != "→" }
            #expect(outcome.output.contains(signature), "\(page): \(name)")
        }
    }

    private static func files(below folder: String) throws -> [String] {
        let found = try Program(path: "/usr/bin/find").run(["\(packageRoot)/\(folder)", "-type", "f"])
        return found.output.split(separator: "\n").map { String($0.dropFirst(packageRoot.count + 1)) }
            .sorted()
    }
}
