/** What takes whole lines. */
export type LogSink = { write(text: string): void }

type Line = { level: number; time: string; msg?: string; [field: string]: unknown }

const LEVELS: Record<number, string> = {
  10: '\u001B[2mtrace\u001B[0m',
  20: '\u001B[2mdebug\u001B[0m',
  30: '\u001B[32minfo\u001B[0m ',
  40: '\u001B[33mwarn\u001B[0m ',
  50: '\u001B[31merror\u001B[0m',
  60: '\u001B[31mfatal\u001B[0m',
}

/** Turns JSON lines into text for a terminal: `12:03:04.567 info  message  name=value`. */
export function createTerminalLines(sink: LogSink): LogSink {
  return { write: (json) => sink.write(`${formatLine(JSON.parse(json) as Line)}\n`) }
}

function formatLine({ level, time, msg = '', ...fields }: Line): string {
  const stacks: string[] = []
  const pairs = Object.entries(fields).map(([name, value]) => `${printable(name)}=${formatValue(value, stacks)}`)
  return [[time.slice(11, 23), LEVELS[level] ?? level, printable(msg), ...pairs].join(' '), ...stacks].join('\n')
}

function formatValue(value: unknown, stacks: string[]): string {
  if (isError(value)) {
    stacks.push(...value.stack.split('\n').slice(1).map(printable))
    return JSON.stringify(`${value.name}: ${value.message}`)
  }
  if (typeof value === 'string' && /^[\w.:/@%+-]+$/.test(value)) return value
  return printable(JSON.stringify(value))
}

function isError(value: unknown): value is { name: string; message: string; stack: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string'
}

/** Control characters in a name must not move the cursor or change the terminal's title. */
function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
