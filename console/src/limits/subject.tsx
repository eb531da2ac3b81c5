import { Link } from 'wouter'
import { graphql, type ResultOf } from '../api/graphql.ts'

export const LimitSubject = graphql(`
  fragment LimitSubject on LimitSubject @_unmask {
    __typename
    ... on User {
      id
      name
    }
    ... on ApiKey {
      id
      name
    }
    ... on Route {
      id
      name
    }
    ... on Provider {
      id
      name
    }
    ... on ProviderModel {
      id
      label
    }
    ... on Deployment {
      id
      name
    }
    ... on Installation {
      id
    }
  }
`)

export type Subject = ResultOf<typeof LimitSubject>

const kinds: Readonly<Record<Subject['__typename'], string>> = {
  User: 'user',
  ApiKey: 'key',
  Route: 'route',
  Provider: 'provider',
  ProviderModel: 'model',
  Deployment: 'deployment',
  Installation: '',
}

/** What a limit or a budget is about, e.g. `route chat`. */
export function subjectText(subject: Subject): string {
  if (subject.__typename === 'Installation') return 'the whole installation'
  return `${kinds[subject.__typename]} ${subject.__typename === 'ProviderModel' ? subject.label : subject.name}`
}

export function SubjectName({ subject }: { readonly subject: Subject }) {
  if (subject.__typename !== 'Route') return subjectText(subject)
  return (
    <>
      route <Link href={`/routes/${subject.id}?tab=access`}>{subject.name}</Link>
    </>
  )
}

const dimensions = { API_KEY: 'for each key', USER: 'for each user', ROUTE: 'for each route' } as const

/** How a limit or a budget is counted apart; empty: everything of the subject shares it. */
export function perText(per: readonly (keyof typeof dimensions)[]): string {
  return per.map((dimension) => dimensions[dimension]).join(', ')
}
