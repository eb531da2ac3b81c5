import type { SubjectKind } from '../../routing/config/configuration.ts'
import { type ObjectType, typeOfId } from '../../routing/config/object-id.ts'

const kindsByType: Partial<Record<ObjectType, SubjectKind>> = {
  Provider: 'provider',
  Deployment: 'deployment',
  Route: 'route',
  User: 'user',
  ApiKey: 'apiKey',
  RateLimit: 'rateLimit',
  Budget: 'budget',
}

/** Which part of the configuration the id is of; undefined if of none. */
export function subjectKindOf(id: string): SubjectKind | undefined {
  const type = typeOfId(id)
  return type && kindsByType[type]
}
