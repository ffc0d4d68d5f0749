// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {SigningTest} from "./SigningTest.sol";

/// @notice A market with three operators, and the steps of a job in the words of the tests. Hashes, digests and
/// terms are computed here a second time, from the documentation and not with the contracts' code. The contracts
/// come as bytecode from the build: what is tested is what is deployed, and a test compiles in seconds.
abstract contract MarketTest is SigningTest {
    uint256 internal constant START = 1_800_000_000;
    uint32 internal constant WINDOW = 100;
    uint32 internal constant GRACE = 50;
    uint32 internal constant RESPONSE = 80;
    uint96 internal constant CHALLENGE_FEE = 0.001 ether;
    uint32 internal constant UNBONDING = 1000;
    uint96 internal constant BOND = 1 ether;
    uint80 internal constant FEE = 1000;
    uint96 internal constant PRICE = 50_000;
    uint256 internal constant DURATION = 600;
    bytes32 internal constant ALGORITHM = keccak256("algorithm");
    bytes32 internal constant RESULT_KEY = keccak256("result key");
    bytes internal constant SPEC = '{"columns":["a"]}';
    /// Micro-rho of an exact result, of terms that allow one, and of a budget without a limit.
    uint64 internal constant EXACT = type(uint64).max;
    address internal constant SELLER = address(0x5e11e6);
    address internal constant BUYER = address(0xb0b);
    address internal constant STRANGER = address(0x57a);

    IOperatorRegistry internal operators;
    IOfferRegistry internal offers;
    IJobEscrow internal escrow;
    IDisputes internal disputes;
    address[3] internal members = [address(0xa1), address(0xa2), address(0xa3)];
    uint256 private _published;

    function setUp() public virtual {
        vm.warp(START);
        // Registry and escrow name the contract of disputes, which comes third.
        address judge = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        operators = IOperatorRegistry(_deploy("OperatorRegistry", abi.encode(BOND, UNBONDING, judge)));
        escrow = IJobEscrow(_deploy("JobEscrow", abi.encode(operators, judge, WINDOW, GRACE)));
        disputes = IDisputes(_deploy("Disputes", abi.encode(escrow, CHALLENGE_FEE, RESPONSE)));
        offers = escrow;
        for (uint256 i; i < 3; ++i) {
            vm.deal(members[i], 10 ether);
            _register(members[i], keys[i]);
        }
        operators.createSet(members);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.approve(_set(), ALGORITHM);
        }
        vm.deal(BUYER, 100 ether);
    }

    function _deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        bytes memory code =
            bytes.concat(vm.getCode(string.concat("contracts/", name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        _true(deployed != address(0), name);
    }

    // ---- operators and sellers ---------------------------------------------------------------------

    function _keys(address signer) internal pure returns (IOperatorRegistry.OperatorKeys memory) {
        return IOperatorRegistry.OperatorKeys(signer, keccak256("seal"), keccak256("channel"), keccak256("jiff"));
    }

    /// Registers an operator whose signing account has this private key.
    function _register(address operator, uint256 key) internal {
        bytes32[2] memory possession = _possession(operator, key);
        vm.prank(operator);
        operators.register{value: BOND}(_keys(vm.addr(key)), "127.0.0.1:9000", FEE, possession);
    }

    /// The same as call data, for accounts that are contracts.
    function _registration(address operator, uint256 key) internal view returns (bytes memory) {
        return abi.encodeCall(
            operators.register, (_keys(vm.addr(key)), "127.0.0.1:9000", FEE, _possession(operator, key))
        );
    }

    /// The operator signs with this key from now on.
    function _rotate(address operator, uint256 key) internal {
        bytes32[2] memory possession = _possession(operator, key);
        vm.prank(operator);
        operators.update(_keys(vm.addr(key)), "127.0.0.1:9001", FEE, possession);
    }

    /// The word of a key that it signs for the operator.
    function _possession(address operator, uint256 key) internal view returns (bytes32[2] memory) {
        return _sign(key, _possessionDigest(_domainOf(block.chainid, address(operators)), operator, vm.addr(key)));
    }

    function _possessionDigest(bytes32 domain, address operator, address signer) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("ProofOfPossession(address operator,address signer)");
        return _digest(domain, keccak256(abi.encode(typeHash, operator, signer)));
    }

    function _input(string memory label) internal view returns (IOfferRegistry.OfferInput memory input) {
        input.members = members;
        input.schemaHash = keccak256("schema");
        input.rows = 7;
        input.columns = 2;
        input.nonce = keccak256(bytes(label));
        for (uint256 i; i < 3; ++i) input.ciphertextHashes[i] = keccak256(abi.encode(label, i));
        input.budgetMicroRho = EXACT;
        input.terms = _useTerms();
    }

    /// Anything may be done with the data, at the price of a use.
    function _useTerms() internal pure returns (IOfferRegistry.UseTerms memory terms) {
        terms.price = PRICE;
        terms.maxMicroRho = EXACT;
        terms.expirySec = type(uint40).max;
    }

    function _use(address seller, bytes32 dataRoot, IOfferRegistry.UseTerms memory terms)
        internal
        pure
        returns (IOfferRegistry.OfferUse memory use)
    {
        use.seller = seller;
        use.dataRoot = dataRoot;
        use.terms = terms;
    }

    function _commit(address seller, IOfferRegistry.OfferInput memory input) internal view returns (bytes32) {
        bytes32[3] memory commitments;
        for (uint256 i; i < 3; ++i) {
            commitments[i] = keccak256(
                abi.encode(
                    block.chainid,
                    address(offers),
                    seller,
                    input.nonce,
                    input.schemaHash,
                    input.rows,
                    input.columns,
                    input.members[i],
                    i + 1,
                    input.ciphertextHashes[i]
                )
            );
        }
        return keccak256(abi.encode(commitments[0], commitments[1], commitments[2]));
    }

    /// Publishes `count` data sets of the seller.
    function _publish(uint256 count) internal returns (IOfferRegistry.OfferUse[] memory uses) {
        uses = new IOfferRegistry.OfferUse[](count);
        for (uint256 i; i < count; ++i) uses[i] = _offered(SELLER, _useTerms(), EXACT);
    }

    /// One new data set under these terms, which have no rules.
    function _offered(address seller, IOfferRegistry.UseTerms memory terms, uint64 budget)
        internal
        returns (IOfferRegistry.OfferUse memory use)
    {
        IOfferRegistry.OfferInput memory input = _input(string(abi.encode("data set", ++_published)));
        (input.terms, input.budgetMicroRho) = (terms, budget);
        vm.prank(seller);
        offers.publish(input);
        return _use(seller, _commit(seller, input), terms);
    }

    /// One new data set under terms with rules.
    function _offeredUnder(address seller, IOfferRegistry.Rules memory rules, uint64 budget)
        internal
        returns (IOfferRegistry.OfferUse memory use)
    {
        IOfferRegistry.OfferInput memory input = _input(string(abi.encode("data set", ++_published)));
        input.budgetMicroRho = budget;
        input.terms.rulesHash = keccak256(abi.encode(rules));
        input.rules = _one(rules);
        vm.prank(seller);
        offers.publish(input);
        use = _use(seller, _commit(seller, input), input.terms);
        use.rules = new IOfferRegistry.RulesUse[](1);
        use.rules[0].rules = rules;
    }

    function _one(IOfferRegistry.Rules memory rules) internal pure returns (IOfferRegistry.Rules[] memory list) {
        list = new IOfferRegistry.Rules[](1);
        list[0] = rules;
    }

    /// The seller offers the data set under the terms of this use from now on.
    function _relist(IOfferRegistry.OfferUse memory use) internal {
        IOfferRegistry.Rules[] memory rules;
        if (use.rules.length > 0) rules = _one(use.rules[0].rules);
        vm.prank(use.seller);
        offers.relist(_set(), use.dataRoot, use.terms, rules);
    }

    function _left(IOfferRegistry.OfferUse memory use) internal view returns (uint256) {
        return offers.listing(use.seller, _set(), use.dataRoot).budgetLeftMicroRho;
    }

    function _set() internal view returns (bytes32) {
        return _setOf(members);
    }

    function _setOf(address[3] memory list) internal pure returns (bytes32) {
        return keccak256(abi.encode(list[0], list[1], list[2]));
    }

    // ---- jobs --------------------------------------------------------------------------------------

    /// For an exact result.
    function _request(IOfferRegistry.OfferUse[] memory uses)
        internal
        view
        returns (IJobEscrow.JobRequest memory request)
    {
        request.algorithm = ALGORITHM;
        request.members = members;
        request.deadlineSec = uint64(block.timestamp + DURATION);
        request.resultKey = RESULT_KEY;
        request.microRho = EXACT;
        request.offers = uses;
        request.spec = SPEC;
    }

    function _over(IOfferRegistry.OfferUse memory use) internal view returns (IJobEscrow.JobRequest memory) {
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](1);
        uses[0] = use;
        return _request(uses);
    }

    function _price(uint256 count) internal pure returns (uint256) {
        return count * PRICE + 3 * uint256(FEE);
    }

    function _spec(IJobEscrow.JobRequest memory request) internal view returns (IJobEscrow.JobSpec memory spec) {
        spec.operatorSet = _set();
        spec.algorithm = request.algorithm;
        spec.resultKey = request.resultKey;
        spec.microRho = request.microRho;
        spec.purpose = request.purpose;
        spec.specBytesHash = keccak256(request.spec);
        spec.dataRoots = new bytes32[](request.offers.length);
        for (uint256 i; i < request.offers.length; ++i) spec.dataRoots[i] = request.offers[i].dataRoot;
    }

    /// The terms that a job must have which is asked for like this.
    function _terms(address buyer, IJobEscrow.JobRequest memory request, uint256 amount)
        internal
        view
        returns (IJobEscrow.JobTerms memory terms)
    {
        IJobEscrow.JobSpec memory spec = _spec(request);
        terms.buyer = buyer;
        terms.token = request.token;
        terms.amount = uint96(amount);
        terms.deadlineSec = request.deadlineSec;
        terms.specHash = keccak256(
            abi.encode(
                spec.operatorSet,
                spec.algorithm,
                spec.resultKey,
                spec.microRho,
                spec.purpose,
                spec.specBytesHash,
                spec.dataRoots
            )
        );
        for (uint256 i; i < 3; ++i) terms.signers[i] = vm.addr(keys[i]);
    }

    function _job(IJobEscrow.JobTerms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(terms));
    }

    /// Funds a job in ETH at this price, and checks its name.
    function _create(address buyer, IJobEscrow.JobRequest memory request, uint256 amountWei)
        internal
        returns (bytes32 job, IJobEscrow.JobTerms memory terms)
    {
        terms = _terms(buyer, request, amountWei);
        vm.prank(buyer);
        job = escrow.createJob{value: amountWei}(request);
        _true(job == _job(terms), "a job is named by its terms");
    }

    /// Funds a job of the buyer over one new data set.
    function _fund() internal returns (bytes32 job, IJobEscrow.JobTerms memory terms) {
        return _fundAs(BUYER);
    }

    function _fundAs(address buyer) internal returns (bytes32 job, IJobEscrow.JobTerms memory terms) {
        return _create(buyer, _request(_publish(1)), _price(1));
    }

    function _join(IJobEscrow.JobTerms memory terms) internal {
        escrow.join(terms, _signAll(_joinDigest(_job(terms))));
    }

    function _joined() internal returns (bytes32 job, IJobEscrow.JobTerms memory terms) {
        (job, terms) = _fund();
        _join(terms);
    }

    function _attestation(bytes32 job, bytes32 payoutRoot) internal pure returns (IJobEscrow.Attestation memory) {
        return IJobEscrow.Attestation(job, _resultRoot(_parts()), payoutRoot, 0);
    }

    /// Of a result that nobody looks into.
    function _parts() internal pure returns (IJobEscrow.ResultParts memory parts) {
        for (uint256 i; i < 3; ++i) {
            parts.roots[i] = keccak256(abi.encode("root", i));
            parts.ciphertextHashes[i] = keccak256(abi.encode("ciphertext", i));
        }
        (parts.fieldBits, parts.total) = (127, 65);
    }

    function _resultRoot(IJobEscrow.ResultParts memory parts) internal pure returns (bytes32) {
        return keccak256(abi.encode(parts));
    }

    function _attest(IJobEscrow.JobTerms memory terms, IJobEscrow.ResultParts memory parts, bytes32 payoutRoot)
        internal
    {
        IJobEscrow.Attestation memory signed =
            IJobEscrow.Attestation(_job(terms), _resultRoot(parts), payoutRoot, 0);
        escrow.attest(terms, parts, payoutRoot, 0, _signAll(_attestDigest(signed)));
    }

    function _attest(IJobEscrow.JobTerms memory terms, bytes32 payoutRoot) internal {
        _attest(terms, _parts(), payoutRoot);
    }

    function _outcome(IJobEscrow.JobTerms memory terms, bytes32 payoutRoot)
        internal
        pure
        returns (IJobEscrow.Outcome memory)
    {
        return IJobEscrow.Outcome(terms.buyer, terms.token, _resultRoot(_parts()), payoutRoot);
    }

    function _attested(bytes32 payoutRoot) internal returns (bytes32 job, IJobEscrow.Outcome memory outcome) {
        IJobEscrow.JobTerms memory terms;
        (job, terms) = _joined();
        _attest(terms, payoutRoot);
        outcome = _outcome(terms, payoutRoot);
    }

    function _settled(bytes32 payoutRoot) internal returns (bytes32 job, IJobEscrow.Outcome memory outcome) {
        (job, outcome) = _attested(payoutRoot);
        vm.prank(BUYER);
        escrow.accept(job, outcome);
    }

    function _failed() internal returns (bytes32 job, IJobEscrow.JobTerms memory terms) {
        (job, terms) = _fund();
        escrow.fail(terms, _notices(job, 1, 3));
    }

    function _notices(bytes32 job, uint8 first, uint8 second)
        internal
        view
        returns (IJobEscrow.FailureNotice[2] memory)
    {
        return [_notice(job, first, "PEER_LOST"), _notice(job, second, "PEER_TIMEOUT")];
    }

    function _notice(bytes32 job, uint8 point, bytes32 reason)
        internal
        view
        returns (IJobEscrow.FailureNotice memory)
    {
        // A point beyond the set signs with a key of nobody.
        uint256 key = point >= 1 && point <= 3 ? keys[point - 1] : 0xdead;
        return IJobEscrow.FailureNotice(point, reason, _sign(key, _failDigest(job, reason)));
    }

    function _state(bytes32 job) internal view returns (JobState) {
        return escrow.jobOf(job).state;
    }

    // ---- payouts -----------------------------------------------------------------------------------

    function _leaf(IJobEscrow.Payout memory payout) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(payout.index, payout.account, payout.amount))));
    }

    function _pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _proof(bytes32 sibling) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = sibling;
    }

    // ---- what is signed ----------------------------------------------------------------------------

    function _domain() internal view returns (bytes32) {
        return _domainOf(block.chainid, address(escrow));
    }

    function _joinHash(bytes32 job) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Join(bytes32 job)"), job));
    }

    function _joinDigest(bytes32 job) internal view returns (bytes32) {
        return _digest(_domain(), _joinHash(job));
    }

    function _unopenedDigest(bytes32 job) internal view returns (bytes32) {
        return _digest(_domain(), keccak256(abi.encode(keccak256("Unopened(bytes32 job)"), job)));
    }

    function _attestDigest(IJobEscrow.Attestation memory attestation) internal view returns (bytes32) {
        bytes32 typeHash =
            keccak256("Attestation(bytes32 job,bytes32 resultRoot,bytes32 payoutRoot,uint256 budgetSpent)");
        return _digest(_domain(), keccak256(abi.encode(typeHash, attestation)));
    }

    function _failDigest(bytes32 job, bytes32 reason) internal view returns (bytes32) {
        return _digest(
            _domain(), keccak256(abi.encode(keccak256("Failure(bytes32 job,bytes32 reason)"), job, reason))
        );
    }
}
