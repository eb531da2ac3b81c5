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
    id: t.exposeID('id', { description: 'It stays the same as long as the problem lasts.' }),
    severity: t.expose('severity', { type: ProblemSeverity, description: 'How bad it is.' }),
    code: t.expose('code', { type: ProblemCode, description: 'What kind of problem it is.' }),
    since: t.field({
      type: 'DateTime',
      description: 'When it began, as far as known.',
      resolve: ({ sinceMs }) => new Date(sinceMs),
    }),
    summary: t.exposeString('summary', { description: 'What is wrong, in one sentence.' }),
    remedy: t.exposeString('remedy', { description: 'What to do, in one sentence.' }),
    subject: t.field({
      type: NodeRef,
      nullable: true,
      description:
        'The object that the problem concerns; null for gateways and the database, which are not nodes, and for every problem while the database cannot be read.',
      resolve: ({ subjectId }, _args, context) => loadSubject(context, subjectId),
    }),
  }),
})

export const ProblemListRef = builder.objectRef<ProblemList>('ProblemList').implement({
  description: 'What is wrong at one instant.',
  fields: (t) => ({
    at: t.field({
      type: 'DateTime',
      description: 'When this state was observed.',
      resolve: ({ atMs }) => new Date(atMs),
    }),
    problems: t.expose('problems', {
      type: [ProblemRef],
      description: 'The problems, worst first, at most 100; empty if there are none.',
    }),
  }),
})

/** An unreachable database must not hide the problems, one of which reports it. */
async function loadSubject(context: GraphQLContext, id: string | null) {
  if (id === null) return null
  try {
    return await loadNode(context, id)
  } catch (error) {
    if (isAway(error)) return null
    throw error
  }
}
