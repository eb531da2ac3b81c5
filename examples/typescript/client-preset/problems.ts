/**
 * A check for a monitoring system: prints what is wrong, worst first, with what to do.
 *
 *     npm install && npm run types && node problems.ts
 *
 * Needs the scope CONFIG_READ. Exit codes, as Nagios and its kin read them: 0 all is well, or there are notices only; 1 requests go elsewhere
 * than configured; 2 requests fail; 3 the API could not be asked.
 */
import { graphql } from './gql/index.ts'
import type { ProblemSeverity, TypedDocumentString } from './gql/graphql.ts'

const Problems = graphql(`
  query Problems {
    problems {
      severity
      code
      since
      summary
      remedy
    }
  }
`)

/** The switch over all severities does not compile when one is added to the schema. */
function exitCodeOf(severity: ProblemSeverity): 0 | 1 | 2 {
  switch (severity) {
    case 'CRITICAL':
      return 2
    case 'WARNING':
      return 1
    case 'NOTICE':
      return 0
  }
}

/** The `data` of a document, typed by it. Throws with the API's message if it refuses. */
async function request<Result, Variables>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
): Promise<Result> {
  const response = await fetch(`${process.env['SIGNALBOX_URL'] ?? 'http://127.0.0.1:4000'}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${process.env['SIGNALBOX_KEY']}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: document.toString(), variables }),
    signal: AbortSignal.timeout(10_000),
  })
  const { data, errors } = (await response.json()) as { data?: Result; errors?: { message: string }[] }
  if (errors || !data) throw new Error(errors?.map(({ message }) => message).join('\n') ?? `status ${response.status}`)
  return data
}

try {
  const { problems } = await request(Problems, {})
  for (const { severity, code, since, summary, remedy } of problems)
    console.log(`${severity} ${code} since ${since}: ${summary} ${remedy}`)
  if (problems.length === 0) console.log('OK')
  process.exitCode = Math.max(0, ...problems.map(({ severity }) => exitCodeOf(severity)))
} catch (error) {
  console.error(`UNKNOWN: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 3
}
