import type { OperationalProblem } from '../../routing/problems/operational-problem.ts'
import { isAway } from '../../storage/database/is-away.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { ProblemCode, ProblemSeverity } from './enums.ts'
import { loadNode } from '../schema/node.ts'
import type { ProblemList } from '../kit/ports.ts'
import { NodeRef } from '../schema/refs.ts'

export const ProblemRef = builder.objectRef<OperationalProblem>('Problem').implement({
  description: 'Something that an operator should look at.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The same for as long as it lasts.' }),
    severity: t.expose('severity', { type: ProblemSeverity, description: 'How bad it is.' }),
    code: t.expose('code', { type: ProblemCode, description: 'What kind of problem it is.' }),
    since: t.field({
      type: 'DateTime',
      description: 'Since when, as far as that is known.',
      resolve: ({ sinceMs }) => new Date(sinceMs),
    }),
    summary: t.exposeString('summary', { description: 'What is wrong, in one sentence.' }),
    remedy: t.exposeString('remedy', { description: 'What to do, in one sentence.' }),
    subject: t.field({
      type: NodeRef,
      nullable: true,
      description:
        'What it is about; null for gateways and the database, which are no nodes, and for all while the database cannot be read.',
      resolve: ({ subjectId }, _args, context) => loadSubject(context, subjectId),
    }),
  }),
})

export const ProblemListRef = builder.objectRef<ProblemList>('ProblemList').implement({
  description: 'What is wrong at one instant.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When this was so.', resolve: ({ atMs }) => new Date(atMs) }),
    problems: t.expose('problems', { type: [ProblemRef], description: 'Worst first; empty: nothing. At most 100.' }),
  }),
})

/** That the database is away is told by a problem; it must not hide the others. */
async function loadSubject(context: GraphQLContext, id: string | null) {
  if (id === null) return null
  try {
    return await loadNode(context, id)
  } catch (error) {
    if (isAway(error)) return null
    throw error
  }
}
