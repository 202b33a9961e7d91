import Testing

/// What the documents show is run: a reader who copies it sees what is printed there.
@Suite struct DocumentsTests {
    /// The folder of the package, from where this file was compiled.
    static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        .joined(separator: "/")

    struct Snippet: CustomTestStringConvertible {
        let language: String
        let text: String
        let line: Int
        /// The output shown right behind it.
        var output: String?

        var testDescription: String { "\(language) at line \(line)" }
    }

    static func snippets(of document: String) throws -> [Snippet] {
        let text = try #require(TemporaryFolder.contents(path: "\(root)/\(document)"))
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

    @Test func everyLuaSnippetOfTheReadmePrintsWhatItSays() throws {
        let snippets = try Self.snippets(of: "README.md").filter { $0.language == "lua" }
        #expect(!snippets.isEmpty)
        let folder = try TemporaryFolder()
        for snippet in snippets {
            try folder.file("example.lua", snippet.text)
            let outcome = try Program(path: "/bin/sh").run([
                "-c", "cd \"$1\" && exec \"$2\" example.lua", "sh", folder.path, Program.mmaplua.path,
            ])
            #expect(outcome.errors == "", "\(snippet.testDescription)")
            #expect(outcome.ending == .status(0), "\(snippet.testDescription)")
            if let output = snippet.output {
                #expect(outcome.output == output, "\(snippet.testDescription)")
            }
        }
    }

    @Test func theCommandsOfTheReadmeAreThere() throws {
        let lines = try Self.snippets(of: "README.md").filter { $0.language == "sh" }
            .flatMap { $0.text.split(separator: "\n") }
        #expect(lines.contains { $0.hasPrefix("scripts/mmaplua ") })
        for line in lines {
            let words = line.split(separator: " ").map(String.init)
            let script = try #require(words.first)
            #expect(Program(path: "\(Self.root)/\(script)").exists, "\(line)")
            guard script == "scripts/mmaplua" else { continue }
            let outcome = try Program(path: "/bin/sh").run(
                ["-c", "cd \"$1\" && shift && exec \"$@\"", "sh", Self.root, Program.mmaplua.path]
                    + words.dropFirst())
            #expect(outcome.ending == .status(0), "\(line)")
            #expect(!outcome.output.isEmpty, "\(line)")
        }
    }

    @Test func everyOptionOfTheHelpIsInTheManualPage() throws {
        let help = try Program.mmaplua.run(["--help"]).output
        let page = try #require(TemporaryFolder.contents(path: "\(Self.root)/man/mmaplua.1"))
        let options = help.split(separator: "\n").compactMap { line -> Substring? in
            let word = line.drop { $0 == " " }.prefix { $0 != " " && $0 != "=" && $0 != "[" }
            return line.hasPrefix("  -") ? word.dropFirst() : nil
        }
        #expect(options.count >= 8)
        for option in options where !option.isEmpty {
            #expect(page.contains("Fl \(option)"), "-\(option)")
        }
    }

    /// Each guarantee names tests, and they are there.
    @Test func everyGuaranteeIsHeldByTests() throws {
        let readme = try #require(TemporaryFolder.contents(path: "\(Self.root)/README.md"))
        let start = try #require(readme.firstRange(of: "\n## Guarantees\n")).upperBound
        let text = readme[start...]
        let section = text[..<(text.firstRange(of: "\nNot promised")?.lowerBound ?? text.endIndex)]
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
                    file.flatMap { TemporaryFolder.contents(path: "\(Self.root)/\($0)") }, "\(name)")
                if parts.count == 2 { #expect(source.contains("func \(parts[1])("), "\(name)") }
            }
        }
    }

    /// What is new in the manual must be told to the program, too.
    @Test func everyPageOfTheManualIsInTheProgram() throws {
        let pages = try Self.files(below: "manual").filter { $0.hasSuffix(".txt") }
        #expect(pages.count >= 9)
        for page in pages {
            let text = try #require(TemporaryFolder.contents(path: "\(Self.root)/\(page)"))
            let lines = text.split(separator: "\n")
            let heading = try #require(lines.firstIndex { $0.hasPrefix("## ") })
            let name = lines[heading].dropFirst(3).prefix { $0 != "," }
            let outcome = try Program.mmaplua.run(["-i"], input: "help '\(name)'\n")
            let signature = lines[heading + 1].prefix { $0 != "→" }
            #expect(outcome.output.contains(signature), "\(page): \(name)")
        }
    }

    private static func files(below folder: String) throws -> [String] {
        let found = try Program(path: "/usr/bin/find").run(["\(root)/\(folder)", "-type", "f"])
        return found.output.split(separator: "\n").map { String($0.dropFirst(root.count + 1)) }.sorted()
    }
}
