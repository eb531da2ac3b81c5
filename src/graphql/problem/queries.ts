import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { ProblemRef } from './type.ts'
import { visibleProblems } from './visibility.ts'

builder.queryField('problems', (t) =>
  t.field({
    type: [ProblemRef],
    description:
      'What is wrong now, worst first; empty: nothing. At most 100. It is answered while the database cannot be reached, too.',
    authScopes: readsConfig,
    resolve: async (_root, _args, context) => {
      const { problems } = await context.live.problems.read()
      return [...visibleProblems(context, problems)]
    },
  }),
)
