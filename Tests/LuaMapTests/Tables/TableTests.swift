import Testing

/// Tables: verbs and results against a reference in plain Lua, and their errors.
@Suite struct TableTests {
    @Test func rowsAreThoseOfTheSource() { check(suite: "tables") }
    @Test func whereComparesEachTypeWithEachKindOfValue() { check(suite: "tables") }
    @Test func verbsGiveWhatTheReferenceGives() { check(suite: "tables") }
    @Test func sortsAreStable() { check(suite: "tables") }
    @Test func groupsAreThoseOfTheReference() { check(suite: "tables") }
    @Test func joinsKeepTheOrder() { check(suite: "tables") }
    @Test func piecesHaveEachRowOnce() { check(suite: "tables") }
    @Test func viewsOfEachTypeAreColumns() { check(suite: "tables") }
    @Test func whatIsWrittenReadsBackEqual() { check(suite: "tables") }
    @Test func jsonLinesHaveNoStringsThatAreNoUTF8() { check(suite: "tables") }
    @Test func otherTextsAreReadOrNamed() { check(suite: "tables") }
    @Test func streamsAreWrittenTo() { check(suite: "tables") }
    @Test func spreadOfLargeIntegersIsExact() { check(suite: "tables") }
    @Test func aWriteThatFailsLeavesTheOldFile() { check(suite: "tables") }
    @Test func delimitedTextHasTheOptionsOfFields() { check(suite: "tables") }
    @Test func everyMistakeIsNamedAtOnce() { check(suite: "tables") }
    @Test func integersThatNoFloatIsEqualTo() { check(suite: "tables") }
    @Test func theStepsOfARegexAreLimited() { check(suite: "tables") }
    @Test func errorsHaveTheScriptsPosition() { check(suite: "tables") }
    @Test func anErrorOfAFunctionIsTheErrorOfTheResult() { check(suite: "tables") }
    @Test func aFunctionMayDoAnything() { check(suite: "tables") }
    @Test func aFunctionAfterGroupsMayDoAnything() { check(suite: "tables") }
    @Test func resultsOfAFunctionHaveOneType() { check(suite: "tables") }
    @Test func rowsMayBeLeftAndResumed() { check(suite: "tables") }
    @Test func aClosedTableRaises() { check(suite: "tables") }
    @Test func manyTablesLeaveNothing() { check(suite: "tables") }
    @Test func describeSaysWhatTheReferenceSays() { check(suite: "tables") }
}
