/**
 * The bar above GraphiQL that takes the key. The key stays in this tab (`sessionStorage`) and goes with every call to this
 * server, unless the headers editor has one of its own. The tab that was open before a reload is open after it.
 */
export const keyBar = `
<style>
  #key-bar { display: flex; gap: 8px; align-items: center; box-sizing: border-box; height: 40px; padding: 0 12px;
    font: 14px system-ui, sans-serif; background: #1f2430; color: #fff; }
  #key-bar input { flex: 1; max-width: 480px; padding: 4px 8px; border: 0; border-radius: 4px; font: inherit; }
  #key-bar button { padding: 4px 12px; border: 0; border-radius: 4px; font: inherit; cursor: pointer; }
  #key-bar a { margin-left: auto; color: inherit; }
  #root { height: calc(100vh - 40px) !important; }
</style>
<form id="key-bar" autocomplete="off">
  <strong>Signalbox</strong>
  <label for="key">Key</label>
  <input id="key" type="password" placeholder="sbx_…, as printed on the first start" spellcheck="false">
  <button>Use it</button>
  <span id="key-state" role="status"></span>
  <a href="console">Console</a>
</form>
<script>
  (() => {
    const name = 'signalbox.key';
    const field = document.getElementById('key');
    const key = sessionStorage.getItem(name) || '';
    field.value = key;
    document.getElementById('key-state').textContent = key ? '' : 'Every call needs one.';
    document.getElementById('key-bar').addEventListener('submit', (event) => {
      event.preventDefault();
      sessionStorage.setItem(name, field.value.trim());
      location.reload();
    });
    // GraphiQL looks for the tab that holds the last query it was typed; an example that nobody has changed was never typed,
    // and it would open an empty tab behind the examples.
    try {
      const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem('graphiql:tabState'));
      for (const editor of ['query', 'variables'])
        localStorage.setItem('graphiql:' + editor, tabs[activeTabIndex][editor] || '');
    } catch {
      // The first visit, or a browser without storage.
    }
    const send = window.fetch.bind(window);
    window.fetch = (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input, location.href);
      if (!key || url.origin !== location.origin) return send(input, init);
      const headers = new Headers((init && init.headers) || (input instanceof Request ? input.headers : undefined));
      if (!headers.has('authorization')) headers.set('authorization', 'Bearer ' + key);
      return send(input, { ...init, headers });
    };
  })();
</script>
`
