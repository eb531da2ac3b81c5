/** What one process answered a scrape with, in the text format of Prometheus. */
export interface MetricsPage {
  /** Put on each of its lines; null: they stay as they are. */
  readonly label: { readonly name: string; readonly value: string } | null
  readonly text: string
}

/**
 * The answers of several processes as one page: the lines of a family stand together, as the format demands. Without labels that tell
 * the processes apart the same series would come twice.
 */
export function mergeMetrics(pages: readonly MetricsPage[]): string {
  const families = new Map<string, Family>()
  for (const { label, text } of pages) {
    let family: Family = { comments: [], samples: [] }
    for (const line of text.split('\n')) {
      const name = familyName.exec(line)?.[1]
      if (name !== undefined) family = familyOf(families, name)
      if (name !== undefined) addComment(family, line)
      else if (line !== '' && !line.startsWith('#')) family.samples.push(label ? withLabel(line, label) : line)
    }
  }
  return [...families.values()].map(({ comments, samples }) => [...comments, ...samples, ''].join('\n')).join('\n')
}

interface Family {
  readonly comments: string[]
  readonly samples: string[]
}

/** A sample belongs to the family that was named last: those of histograms have names of their own. */
const familyName = /^# (?:HELP|TYPE) (\S+)/

function familyOf(families: Map<string, Family>, name: string): Family {
  let family = families.get(name)
  if (!family) families.set(name, (family = { comments: [], samples: [] }))
  return family
}

/** Of workers of two versions, while they are replaced, the first one's words count: a second HELP is an error. */
function addComment({ comments }: Family, line: string): void {
  const kind = line.slice(0, '# HELP'.length)
  if (!comments.some((comment) => comment.startsWith(kind))) comments.push(line)
}

function withLabel(line: string, { name, value }: { readonly name: string; readonly value: string }): string {
  const end = line.search(/[{ ]/)
  const own = `${name}="${value}"`
  return line[end] === '{'
    ? `${line.slice(0, end)}{${own},${line.slice(end + 1)}`
    : `${line.slice(0, end)}{${own}}${line.slice(end)}`
}
