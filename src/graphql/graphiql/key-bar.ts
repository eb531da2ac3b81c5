/**
 * The bar above GraphiQL in which the user enters the API key. The key is stored for this tab only (`sessionStorage`), is checked at
 * once, and is sent with every call to this server unless the headers editor has its own. GraphiQL starts once a key is accepted:
 * without a key its first call would fail.
 */
export const keyBarStyle = `
  html, body { height: 100%; margin: 0; overflow: hidden; }
  body { position: relative; display: flex; flex-direction: column; }
  #key-bar { flex: none; display: flex; flex-wrap: wrap; gap: 8px; align-items: center; box-sizing: border-box; min-height: 40px;
    padding: 4px 12px; font: 14px system-ui, sans-serif; background: #1f2430; color: #fff; color-scheme: dark; }
  #key-bar input { flex: 1; min-width: 120px; max-width: 480px; padding: 4px 8px; border: 1px solid #7a8194; border-radius: 4px; font: inherit; }
  #key-bar button { padding: 4px 12px; border: 0; border-radius: 4px; font: inherit; cursor: pointer; }
  #key-bar a { margin-left: auto; color: inherit; }
  #key-state[data-state="right"] { color: #8fe3a7; }
  #key-state[data-state="wrong"] { color: #ffb3ab; }
  #key-hint { flex: none; margin: 24px; font: 16px/1.5 system-ui, sans-serif; }
  :root { color-scheme: light dark; }
  #root { flex: 1; min-height: 0; height: auto !important; }
  .graphiql-container { height: 100% !important; }
  .graphiql-tab-button[data-name] { font-size: 0; }
  .graphiql-tab-button[data-name]::before { content: attr(data-name); font-size: 15px; }
`

export const keyBar = `
<form id="key-bar" autocomplete="off">
  <strong>Signalbox</strong>
  <label for="key">Key</label>
  <input id="key" type="password" placeholder="sbx_…, as printed on the first start" spellcheck="false" autocomplete="off">
  <button>Use it</button>
  <span id="key-state" role="status"></span>
  <a href="console">Console</a>
</form>
<p id="key-hint">Give the key that the first start printed; <code>npx node src/main.ts create-key</code> makes another one. Then this page
has an example for each step of the guide, and for day two.</p>
`

/** Runs before GraphiQL, because it replaces `fetch`. */
export const keyBarScript = `
(() => {
  const name = 'signalbox.key';
  const field = document.getElementById('key');
  const state = document.getElementById('key-state');
  const send = window.fetch.bind(window);
  let key = '';
  let accept;
  window.signalboxKeyAccepted = new Promise((resolve) => { accept = resolve; });
  const say = (kind, text) => { state.dataset.state = kind; state.textContent = text; };
  const withKey = (headers, value) => { headers.set('authorization', 'Bearer ' + value); return headers; };

  // Shows the owner of the key, or that the key is not accepted, before a first call can fail.
  const tryKey = async (candidate) => {
    if (!candidate) return say('none', 'Every call needs a key.');
    say('none', 'Trying …');
    try {
      const response = await send('graphql', {
        method: 'POST',
        headers: withKey(new Headers({ 'content-type': 'application/json', accept: 'application/json' }), candidate),
        body: JSON.stringify({ query: '{ viewer { actor { ... on ApiKey { name owner { name } } } scopes } }' }),
      });
      const body = await response.json();
      if (response.status === 401) return say('wrong', '\\u2717 This key is not known, or not good any more.');
      const viewer = body.data && body.data.viewer;
      const label = viewer && viewer.actor && viewer.actor.name;
      key = candidate;
      sessionStorage.setItem(name, key);
      say('right', '\\u2713 ' + (label || 'Accepted') + (viewer ? ': ' + viewer.scopes.join(', ') : ''));
      document.getElementById('key-hint').hidden = true;
      accept();
    } catch {
      say('wrong', '\\u2717 The server does not answer.');
    }
  };

  document.getElementById('key-bar').addEventListener('submit', (event) => {
    event.preventDefault();
    tryKey(field.value.trim());
  });
  // GraphiQL looks for the tab with the query that was typed last. An unchanged example was never typed, so GraphiQL would open an
  // empty tab after the examples.
  try {
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem('graphiql:tabState'));
    for (const editor of ['query', 'variables'])
      localStorage.setItem('graphiql:' + editor, tabs[activeTabIndex][editor] || '');
  } catch {
    // This is the first visit, or the browser has no storage.
  }
  window.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (url.origin !== location.origin) return send(input, init);
    const headers = new Headers((init && init.headers) || (input instanceof Request ? input.headers : undefined));
    if (!headers.has('authorization')) withKey(headers, key);
    return send(input, { ...init, headers });
  };
  field.value = sessionStorage.getItem(name) || '';
  tryKey(field.value);

  // GraphiQL renames a tab to the operation that ran last. Example tabs keep the name in their first line.
  const nameTabs = () => {
    let tabs = [];
    try {
      tabs = JSON.parse(localStorage.getItem('graphiql:tabState')).tabs;
    } catch {
      return;
    }
    document.querySelectorAll('.graphiql-tab-button').forEach((button, index) => {
      const heading = /^# ([^\\n]{1,30})\\n/.exec((tabs[index] && tabs[index].query) || '');
      if (heading) {
        if (button.dataset.name === heading[1]) return;
        button.dataset.name = heading[1];
        button.setAttribute('aria-label', heading[1]);
      } else if (button.dataset.name !== undefined) {
        delete button.dataset.name;
        button.removeAttribute('aria-label');
      }
    });
  };
  new MutationObserver(nameTabs).observe(document.body, { childList: true, subtree: true });
  // GraphiQL's tabs can be dragged: a pressed one leaves its place below the pointer, and the list gets the click that was meant for it.
  // A press that did not move is a click, made by this program: that one is taken.
  let pressed;
  document.addEventListener('pointerdown', ({ target, clientX, clientY }) => {
    const button = target instanceof Element && target.closest('.graphiql-tab-button');
    pressed = button && { button, clientX, clientY };
  }, true);
  document.addEventListener('pointerup', ({ clientX, clientY }) => {
    if (!pressed || Math.hypot(clientX - pressed.clientX, clientY - pressed.clientY) > 5) return;
    const { button } = pressed;
    setTimeout(() => {
      const tab = button.closest('.graphiql-tab');
      if (tab && !tab.classList.contains('graphiql-tab-active')) button.click();
    }, 100);
  }, true);
  // The page follows a change of the system's colour scheme at once; the editors read it only when they start.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    if (!localStorage.getItem('graphiql:theme')) location.reload();
  });
})();
`
