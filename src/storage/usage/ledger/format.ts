/** The last member of each line and about, by which they are told from those of the version before, whose last one is a text. */
export const usageFormat = 2

const endOfFormat = `,${usageFormat})"`
/** What the version before left out, as nulls. */
const missingInLine = ',,,,,'
const missingInAbout = ',,'

/** The line as an element of an array of `usage_line_2`, whichever version wrote it. */
export function currentLine(line: string): string {
  return completed(line, missingInLine)
}

/** The about as an element of an array of `usage_about_2`, whichever version wrote it. */
export function currentAbout(text: string): string {
  return completed(text, missingInAbout)
}

function completed(text: string, missing: string): string {
  return text.endsWith(endOfFormat) ? text : `${text.slice(0, -2)}${missing})"`
}
