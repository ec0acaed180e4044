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
      exp_backoff_restart_delay: 200,
      // Requests in hand are finished first, which takes up to 5 s.
      kill_timeout: 8000,
    },
