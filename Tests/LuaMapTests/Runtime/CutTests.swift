import Testing

/// Every operation of every object on a mapping whose file was cut short, as the rows of methods.lua have it.
@Suite struct CutTests {
    @Test func everyOperationOfABufferReportsTheFirstTouch() { check(suite: "cut") }
    @Test func whatTouchesNoMemoryGoesOnAndSaysWhatItKnows() { check(suite: "cut") }
    @Test func everyOperationOfAViewReportsTheFirstTouch() { check(suite: "cut") }
    @Test func everyOperationOfRecordsReportsTheFirstTouch() { check(suite: "cut") }
    @Test func whatWasMadeBeforeTheCutKnowsOfIt() { check(suite: "cut") }
    @Test func everythingIsCalledByACase() { check(suite: "cut") }
    /// It goes through the descriptors of its process.
    @Test func whatBecomesOfTheFile() async {
        await #expect(processExitsWith: .exitCode(0)) { check(suite: "cut", test: "whatBecomesOfTheFile()") }
    }
}
