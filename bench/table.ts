import { contenderNames } from './contenders/contender.ts'
import { isMet, type Row } from './row.ts'

export interface SectionRows {
  readonly section: string
  readonly rows: readonly Row[]
}

const headings = ['what', 'unit', ...contenderNames, 'result', 'goal', '', 'repeat with']

/** The whole run as a Markdown table, readable as it stands. */
export function renderTable(sections: readonly SectionRows[]): string {
  const lines = sections.flatMap(({ section, rows }) => rows.map((row) => cells(section, row)))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...lines.map((line) => line[column]?.length ?? 0)),
  )
  const render = (line: readonly string[]) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [render(headings), rule, ...lines.map(render)].join('\n')
}

/** One row in one line, for progress. */
export function renderRow(row: Row): string {
  const values = contenderNames
    .filter((name) => row.values[name] !== undefined)
    .map((name) => `${name} ${figure(row.values[name])}`)
  const note = row.note ? ` (${row.note})` : ''
  return `  ${row.what} [${row.unit}]: ${values.join(', ')}${resultText(row) && `; ${resultText(row)}`}${note}`
}

function cells(section: string, row: Row): string[] {
  const met = isMet(row)
  return [
    row.note ? `${row.what} (${row.note})` : row.what,
    row.unit,
    ...contenderNames.map((name) => figure(row.values[name])),
    resultText(row),
    goalText(row),
    met === undefined ? '' : met ? 'met' : 'MISSED',
    `\`npm run bench ${section}\``,
  ]
}

function resultText({ result, resultUnit }: Row): string {
  return result === undefined ? '' : `${figure(result)} ${resultUnit ?? ''}`.trim()
}

function goalText({ goal }: Row): string {
  if (goal?.atMost !== undefined) return `≤ ${goal.atMost}`
  return goal?.atLeast === undefined ? '' : `≥ ${goal.atLeast}`
}

function figure(value: number | undefined): string {
  if (value === undefined) return ''
  if (value === 0) return '0'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return value.toFixed(digits)
}
