/** Writes one line, or lines, for the reader of the command's answer. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Writes a value for a script: one line of JSON. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/** Writes a message for the user of the command, separate from its answer. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`)
}
