import Glibc
import Testing

/// The claims of CONTRIBUTING.md about the tree.
@Suite struct ContributingTests {
    private static func text() throws -> String {
        try #require(TemporaryFolder.contents(path: "\(packageRoot)/CONTRIBUTING.md"))
    }

    private static func section(_ title: String) throws -> Substring {
        let text = try Self.text()
        let start = try #require(text.firstRange(of: "\n## \(title)\n")).upperBound
        let end = text[start...].firstRange(of: "\n## ")?.lowerBound ?? text.endIndex
        return text[start..<end]
    }

    private static func folders(in folder: String) throws -> [Substring] {
        let found = try Program(path: "/usr/bin/find").run([
            "\(packageRoot)/\(folder)", "-mindepth", "1", "-maxdepth", "1", "-type", "d", "-printf", "%f\n",
        ])
        return found.output.split(separator: "\n")
    }

    @Test func everyPathIsThere() throws {
        let paths = try Self.text().matches(of: /`((?:Sources|Tests|scripts|manual|examples)\/[\w\/.+-]+)/)
            .map(\.1)
        #expect(paths.count >= 25)
        for path in paths where !path.contains("TARGET") {
            #expect(access("\(packageRoot)/\(path)", F_OK) == 0, "\(path)")
        }
    }

    /// The six places of the recipe exist, and contain its example method.
    @Test func recipeIsCorrect() throws {
        let recipe = try Self.section("Add a method")
        let places = recipe.matches(of: /\n\d\. `([^`]+)`/).map(\.1)
        #expect(places.count == 6)
        for place in places {
            let source = try #require(TemporaryFolder.contents(path: "\(packageRoot)/\(place)"), "\(place)")
            #expect(source.contains("mismatch"), "\(place)")
        }
        let row = try #require(recipe.firstMatch(of: /`(METHOD\([^`]*\))`/)).1
        #expect(try #require(TemporaryFolder.contents(path: "\(packageRoot)/\(places[0])")).contains(row))
    }

    /// The floors have the rooms of the table and no others.
    @Test(arguments: [
        "Sources/CLuaMap", "Sources/LuaMap", "Sources/MemoryMap", "Tests/LuaMapTests", "Tests/MemoryMapTests",
    ])
    func everyRoomIsInTheTable(floor: String) throws {
        let section = try Self.section("Floors and rooms")
        let rooms = section.matches(of: /\n\| `(\w+)` \|/).map(\.1)
        #expect(rooms.count >= 14)
        // Shared code of tests, Lua programs of suites, and public C headers.
        let others: Set<Substring> = ["Support", "lua", "include"]
        #expect(try Set(Self.folders(in: floor)).subtracting(others).subtracting(rooms).isEmpty)
    }

    /// A folder's list of files fits on a screen.
    @Test(arguments: ["Sources", "Tests", "scripts", "manual", "examples"])
    func noFolderIsCrowded(top: String) throws {
        let found = try Program(path: "/bin/sh").run([
            "-c",
            "cd \"$1\" && find . -name 'corpus' -prune -o -type f -printf '%h\\n' | sort | uniq -c | awk '$1 > 22 { print $2 }'",
            "sh", "\(packageRoot)/\(top)",
        ])
        #expect(found.output == "")
    }
}
