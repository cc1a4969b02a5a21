import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import javax.sql.DataSource;

/** HikariCP, and threads that use it as the harness says. ../README.md has the protocol. */
public final class Pools {
    private static final String SELECT = "SELECT price FROM threadwise_bench_item WHERE id = ?";
    private static final int ROWS = 10_000;

    /** What a thread does with a connection. */
    private interface Use {
        void with(Connection connection) throws SQLException;
    }

    /** The figures of one thread in one round. */
    private record Sample(long ops, long errors, long begun, long ended, long[] waits) {
        String json(long start) {
            var waits = Arrays.stream(waits()).mapToObj(Long::toString);
            return "{\"ops\":%d,\"errors\":%d,\"begun_ns\":%d,\"ended_ns\":%d,\"waits_ns\":[%s]}"
                    .formatted(ops, errors, begun - start, ended - start, waits.collect(Collectors.joining(",")));
        }
    }

    private final HikariDataSource pool;
    private final Use use;
    private final AtomicLong opened;
    private final long untimed;
    private final long pauseMs;
    private final Sample[] samples;
    private final CyclicBarrier start;
    private final CyclicBarrier end;
    private volatile boolean isOver;
    /** After an outage, the first success ends the round. */
    private volatile boolean isBack;
    private String firstError;
    private long begun;

    private Pools(HikariDataSource pool, Use use, AtomicLong opened, Map<String, String> args) {
        this.pool = pool;
        this.use = use;
        this.opened = opened;
        untimed = Long.parseLong(args.get("timed")) - 1;
        pauseMs = Long.parseLong(args.get("pause_ms"));
        int threads = Integer.parseInt(args.get("threads"));
        samples = new Sample[threads];
        start = new CyclicBarrier(threads + 1);
        end = new CyclicBarrier(threads + 1);
        for (int number = 0; number < threads; number++) {
            int own = number;
            var thread = new Thread(() -> live(own));
            thread.setDaemon(true);
            thread.start();
        }
    }

    private void live(int number) {
        while (true) {
            await(start);
            samples[number] = round();
            await(end);
        }
    }

    private Sample round() {
        long ops = 0;
        long errors = 0;
        int count = 0;
        long[] waits = new long[1024];
        long begun = System.nanoTime();
        while (ops + errors == 0 || !isOver) {
            try {
                long asked = System.nanoTime();
                try (Connection connection = pool.getConnection()) {
                    if (count == waits.length) {
                        waits = Arrays.copyOf(waits, 2 * count);
                    }
                    waits[count++] = System.nanoTime() - asked;
                    use.with(connection);
                }
                ops++;
                if (isBack) {
                    tellServed();
                }
                for (long n = 0; n < untimed; n++) {
                    try (Connection connection = pool.getConnection()) {
                        use.with(connection);
                    }
                    ops++;
                }
            } catch (SQLException | RuntimeException error) {
                errors++;
                keep(error);
                LockSupport.parkNanos(pauseMs * 1_000_000);
            }
        }
        return new Sample(ops, errors, begun, System.nanoTime(), Arrays.copyOf(waits, count));
    }

    private synchronized void keep(Exception error) {
        if (firstError == null) {
            firstError = error.toString();
        }
    }

    private synchronized void tellServed() {
        if (!isOver) {
            isOver = true;
            say("{\"mark\":\"served\"}");
        }
    }

    private void begin(boolean isOver) {
        this.isOver = isOver;
        isBack = false;
        firstError = null;
        begun = System.nanoTime();
        await(start);
    }

    private void finish() {
        await(end);
        var threads = Arrays.stream(samples).map(sample -> sample.json(begun));
        say("{\"threads\":[%s],\"first_error\":%s,\"opened\":%d}"
                .formatted(threads.collect(Collectors.joining(",")), quoted(firstError), opened.get()));
    }

    private void serve(BufferedReader commands) throws Exception {
        for (String line; (line = commands.readLine()) != null; ) {
            String[] words = line.split(" ");
            if (words[0].equals("round")) {
                long window = Long.parseLong(words[1]);
                begin(window == 0);
                Thread.sleep(window);
                isOver = true;
            } else {
                begin(false);
                say("{\"mark\":\"begun\"}");
                commands.readLine();
                isBack = true;
                say("{\"mark\":\"back\"}");
            }
            finish();
        }
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static String quoted(String text) {
        if (text == null) {
            return "null";
        }
        var quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            quoted.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? " " : String.valueOf(c));
        }
        return quoted.append('"').toString();
    }

    /** A data source that counts the connections it opens. */
    private static DataSource dataSource(Callable<Connection> dial, AtomicLong opened) {
        InvocationHandler handler = (self, method, arguments) -> {
            if (!method.getName().equals("getConnection")) {
                return answer(method.getName());
            }
            Connection connection = dial.call();
            opened.incrementAndGet();
            return connection;
        };
        return (DataSource) Proxy.newProxyInstance(
                Pools.class.getClassLoader(), new Class<?>[] {DataSource.class}, handler);
    }

    /** A connection without a server. It has what the pool calls, and all of it does nothing. */
    private static Connection fake() {
        return (Connection) Proxy.newProxyInstance(
                Pools.class.getClassLoader(),
                new Class<?>[] {Connection.class},
                (self, method, arguments) -> answer(method.getName()));
    }

    private static Object answer(String method) {
        return switch (method) {
            case "isValid", "getAutoCommit" -> true;
            case "isClosed", "isReadOnly", "isWrapperFor" -> false;
            case "getTransactionIsolation" -> Connection.TRANSACTION_REPEATABLE_READ;
            case "getNetworkTimeout", "getLoginTimeout", "hashCode" -> 0;
            case "toString" -> "fake";
            default -> null;
        };
    }

    private static Use use(Map<String, String> args) {
        long holdUs = Long.parseLong(args.get("hold_us"));
        return switch (args.get("work")) {
            case "select" -> Pools::select;
            case "sleep" -> connection -> {
                try (var statement = connection.createStatement()) {
                    statement.execute("DO SLEEP(" + holdUs / 1e6 + ")");
                }
            };
            default -> holdUs == 0
                    ? connection -> {}
                    // `Thread.sleep` rounds up to whole milliseconds.
                    : connection -> LockSupport.parkNanos(holdUs * 1_000);
        };
    }

    private static void select(Connection connection) throws SQLException {
        try (var statement = connection.prepareStatement(SELECT)) {
            statement.setInt(1, ThreadLocalRandom.current().nextInt(1, ROWS + 1));
            try (var rows = statement.executeQuery()) {
                if (!rows.next()) {
                    throw new SQLException("the row was not found");
                }
                rows.getInt(1);
            }
        }
    }

    /** The version in the manifest of the class's jar. */
    private static String version(Class<?> of) throws Exception {
        var place = of.getProtectionDomain().getCodeSource().getLocation().toURI();
        try (var jar = new JarFile(new File(place))) {
            return jar.getManifest().getMainAttributes().getValue("Bundle-Version");
        }
    }

    public static void main(String[] words) throws Exception {
        Locale.setDefault(Locale.ROOT); // for the digits
        Map<String, String> args = new HashMap<>();
        for (String word : words) {
            String[] pair = word.split("=", 2);
            args.put(pair[0], pair[1]);
        }
        boolean isFake = args.get("driver").equals("none");
        Callable<Connection> dial = Pools::fake;
        if (!isFake) {
            URI at = URI.create(args.get("url"));
            String url = "jdbc:mariadb://%s:%d%s?user=%s"
                    .formatted(at.getHost(), at.getPort(), at.getPath(), at.getUserInfo());
            dial = () -> DriverManager.getConnection(url);
        }
        var opened = new AtomicLong();
        var config = new HikariConfig();
        config.setDataSource(dataSource(dial, opened));
        config.setMaximumPoolSize(Integer.parseInt(args.get("size")));
        config.setConnectionTimeout(Long.parseLong(args.get("timeout_s")) * 1_000);
        if (args.get("lazy").equals("1")) {
            config.setMinimumIdle(0);
            config.setInitializationFailTimeout(-1);
        }
        var pools = new Pools(new HikariDataSource(config), use(args), opened, args);
        String driver = isFake ? "" : "MariaDB Connector/J " + version(org.mariadb.jdbc.Driver.class) + ", ";
        String ready = "HikariCP " + version(HikariDataSource.class) + ", " + driver + "Java " + Runtime.version();
        say("{\"ready\":" + quoted(ready) + "}");
        pools.serve(new BufferedReader(new InputStreamReader(System.in)));
        System.exit(0); // the pool's threads would keep the process alive
    }
}
