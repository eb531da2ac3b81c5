import { useState } from 'react'
import { Link } from 'wouter'
import { graphql, type ResultOf } from '../api/graphql.ts'
import { useLive } from '../live/use-live.ts'
import { Source } from '../ui/source.tsx'
import { Fault, plainMessage } from '../ui/state.tsx'
import { Ago } from '../ui/time.tsx'

const ProblemsChanged = graphql(`
  subscription ProblemsChanged {
    problemsChanged {
      at
      problems {
        id
        severity
        code
        since
        summary
        remedy
        subject {
          __typename
          id
        }
      }
    }
  }
`)

type Problem = ResultOf<typeof ProblemsChanged>['problemsChanged']['problems'][number]

/** The wall must stay in sight below; the worst stand first. */
const firstShown = 4

/** What is wrong and what to do, worst first. */
export function ProblemsPanel() {
  const { data, fault } = useLive(ProblemsChanged, {})
  const [shown, setShown] = useState(firstShown)
  const problems = data?.problemsChanged.problems
  return (
    <section className="panel problems" aria-labelledby="problems-title">
      <header>
        <h2 id="problems-title">{problems?.length ? `${problems.length} to look at` : 'Problems'}</h2>
        <Source of="Problems" document={ProblemsChanged} />
      </header>
      {fault && <Fault>{plainMessage(fault)}</Fault>}
      <div role="status">{problems?.length === 0 && <p className="all-well">All is well.</p>}</div>
      <ul className="problem-list">
        {problems?.slice(0, shown).map((problem) => (
          <ProblemItem key={problem.id} problem={problem} />
        ))}
      </ul>
      {problems && problems.length > shown && (
        <button type="button" className="small more" onClick={() => setShown(problems.length)}>
          Show all {problems.length}
        </button>
      )}
    </section>
  )
}

function ProblemItem({ problem }: { readonly problem: Problem }) {
  const href = hrefOf(problem.subject)
  return (
    <li className={`problem ${problem.severity.toLowerCase()}`} data-code={problem.code}>
      <span className="severity">{problem.severity.toLowerCase()}</span>
      <div>
        <p className="summary">{href ? <Link href={href}>{problem.summary}</Link> : problem.summary}</p>
        <p className="remedy">{problem.remedy}</p>
      </div>
      <p className="hint">
        since <Ago instant={problem.since} />
      </p>
    </li>
  )
}

/** The screens where subjects of problems are looked after, by their types. */
const screens: Readonly<Record<string, string>> = {
  Provider: '/backends',
  ProviderModel: '/backends',
  Deployment: '/backends',
  DeploymentEndpoint: '/backends',
  ApiKey: '/access',
  User: '/access',
  Budget: '/usage',
  RateLimit: '/usage',
}

function hrefOf(subject: Problem['subject']): string | undefined {
  return subject?.__typename === 'Route' ? `/routes/${subject.id}` : screens[subject?.__typename ?? '']
}
