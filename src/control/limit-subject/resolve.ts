import type { LimitDimension, LimitSubject } from '../../routing/limits/limit.ts'
import { installationId, typeOfId } from '../../routing/config/object-id.ts'
import { lockLimitSubject } from '../../storage/limit/subject.ts'
import { collectEach } from '../kit/collect-faults.ts'
import type { Change } from '../change/commit.ts'
import { refuseInput } from '../kit/refusal.ts'

/** Exactly one of the two. */
export interface LimitSubjectInput {
  readonly id?: string | null | undefined
  readonly installation?: boolean | null | undefined
}

const kindsByType = {
  User: 'USER',
  ApiKey: 'API_KEY',
  Route: 'ROUTE',
  Provider: 'PROVIDER',
  ProviderModel: 'PROVIDER_MODEL',
  Deployment: 'DEPLOYMENT',
} as const

/** The subject, locked so that it exists until the commit. Throws at `path` if it does not exist or cannot have limits. */
export async function resolveLimitSubject(
  change: Change,
  { id, installation }: LimitSubjectInput,
  path: readonly string[],
): Promise<LimitSubject> {
  if (id == null) {
    if (installation === true) return { kind: 'INSTALLATION' }
    throw refuseInput(
      'INVALID',
      [...path, 'installation'],
      'Give an `id`, or `installation: true` for the whole installation.',
    )
  }
  if (id === installationId) return { kind: 'INSTALLATION' }
  const subject = requireLimitable(id, [...path, 'id'])
  if (await lockLimitSubject(change.tx, subject)) return subject
  const what =
    subject.kind === 'API_KEY' ? 'There is no such object, or the key is revoked.' : 'There is no such object.'
  throw refuseInput('NOT_FOUND', [...path, 'id'], what)
}

function requireLimitable(id: string, path: readonly string[]): LimitSubject {
  const type = typeOfId(id)
  if (!type) throw refuseInput('NOT_FOUND', path, 'There is no such object.')
  const kind = kindsByType[type as keyof typeof kindsByType]
  if (kind) return { kind, id }
  throw refuseInput(
    'INVALID',
    path,
    'The subject is a user, an API key, a route, a provider, a provider model, a deployment or the installation.',
  )
}

/** The dimensions. Throws if one of them is named twice. */
export function requireDimensions(per: readonly LimitDimension[], path: readonly string[]): readonly LimitDimension[] {
  return collectEach(per, (dimension, index) => {
    if (per.indexOf(dimension) === index) return dimension
    throw refuseInput('INVALID', [...path, String(index)], `${dimension} is named twice.`)
  })
}
