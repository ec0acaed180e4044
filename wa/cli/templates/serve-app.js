    {
      // The HTTP API; API_SECRET is in the .env of WA_HOME.
      name: "wa-serve",
      script: @SCRIPT@,
      args: @SERVE@,
      env: @ENVIRONMENT@,
      cwd: "/",
      interpreter: "none",
      autorestart: true,
      // 2: a setting is wrong, or the extra wa[web] is not installed.
      stop_exit_codes: [2],
      // Without API_SECRET, it prints a link that logs in; a log is no place for it. Errors come into theirs.
      out_file: "/dev/null",
      exp_backoff_restart_delay: 200,
      // Requests in hand are finished first, which takes up to 5 s.
      kill_timeout: 8000,
    },
