import { typeOfId } from './object-id.ts'

/** The kinds of objects that a change can touch. */
export const subjectKinds = ['provider', 'deployment', 'route', 'user', 'apiKey', 'rateLimit', 'budget'] as const

export type SubjectKind = (typeof subjectKinds)[number]

/** The kind that an id claims; undefined if it is not the id of an object that is configured by itself. */
export function subjectKindOf(id: string): SubjectKind | undefined {
  const type = typeOfId(id)
  return type && subjectKinds.find((kind) => kind.toLowerCase() === type.toLowerCase())
}
